"""The verb `report`: how does a finished attack become one file that anybody can read?"""

from dataclasses import dataclass
from pathlib import Path

from scotoma.cli.options import Switch, read_options


@dataclass(frozen=True)
class ReportOptions:
    """What `scotoma report` takes; `out` is report.html in the run folder when it is not given."""

    run: Path
    out: Path | None = None
    overwrite: bool = False


def report(
    run: Path | None = None,
    *,
    out: Path | None = None,
    overwrite: Switch = None,
    config: Path | None = None,
) -> None:
    """Write the report of an attack: one HTML file to read in a browser.

    It holds the verdict in plain words, the accuracy of every attack beside what guessing would give, and
    what was done; of the paper's attackers also learning curves, and some test images beside what the encoder
    makes of them: look at it before you pass it on. Of a suite it holds flags, references and where the time
    went. The table is printed here too.

    Example: scotoma report runs/terminal-attacked --out report.html

    Args:
        run: the folder that `scotoma verify` wrote.
        out: the HTML file to write. Default: report.html in the run folder.
        overwrite: replace the file if it exists.
        config: a TOML file with these options (run, out, overwrite); flags go over it.
    """
    options = read_options(ReportOptions, config, {"run": run, "out": out, "overwrite": overwrite})
    from scotoma.cli.verify import show_results, show_verdict
    from scotoma.reports.html import VERDICT, write_report
    from scotoma.runs.results import Results
    from scotoma.runs.verdict import Verdict

    written = write_report(options.run, options.out or options.run / "report.html", options.overwrite)
    if (options.run / VERDICT).is_file():
        show_verdict(Verdict.read(options.run / VERDICT))
    else:
        show_results(Results.read(options.run / "results.json"))
    print(f"Report: {written}")
