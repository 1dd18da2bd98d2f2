"""The site: what the runs found, as static pages. Not for judging: it only shows what results/ holds."""
