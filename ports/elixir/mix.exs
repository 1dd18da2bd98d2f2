defmodule Microgpt.MixProject do
  use Mix.Project

  def project do
    [
      app: :microgpt,
      version: "1.0.0",
      elixirc_options: [warnings_as_errors: true],
      escript: [main_module: Microgpt, path: "microgpt", emu_args: "-noinput"]
    ]
  end
end
