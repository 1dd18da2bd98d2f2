"""Everything that people and machines look at, made from records and from nothing else.

    tables.py    results/matrix.md, and the tables of README.md
    badges.py    badges as SVG, and as JSON for a shields.io endpoint
    junit.py     JUnit XML, for the test viewers of GitHub, GitLab and Jenkins
    summary.py   the page that GitHub shows below a workflow's run
    kept.py      which of these are files of the repository, and whether they are stale

The terminal's report is harness/report.py, the site harness/site/.
"""
