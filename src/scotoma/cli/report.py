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
    """Write the report of an attack: one HTML file to read in a browser and to pass on.

    It holds the verdict in plain words, the accuracy of every attack beside what guessing would give, and
    what was done; of the paper's attackers also learning curves and pictures of encoded images, of a suite
    flags, references and where the time went. The table is printed here too.

    Example: scotoma report runs/terminal-attacked --out report.html

    Args:
        run: the folder that `scotoma verify` wrote.
        out: the HTML file to write. Default: report.html in the run folder.
        overwrite: replace the file if it exists.
        config: a TOML file with these options (run, out, overwrite); flags go over it.
    """
    options = read_options(ReportOptions, config, {"run": run, "out": out, "overwrite": overwrite})
    from scotoma.reports.html import VERDICT, write_report

    written = write_report(options.run, options.out or options.run / "report.html", options.overwrite)
    if (options.run / VERDICT).is_file():
        _show_verdict(options.run / VERDICT)
    else:
        _show_results(options.run)
    print(f"Report: {written}")


def _show_verdict(path: Path) -> None:
    """The findings of a suite of attackers."""
    from rich.console import Console

    from scotoma.reports.audit_table import verdict_said, verdict_table
    from scotoma.runs.verdict import Verdict

    found, console = Verdict.read(path), Console()
    console.print(verdict_table(found))
    console.print(verdict_said(found), markup=False, highlight=False)


def _show_results(run: Path) -> None:
    """The findings of the paper's attackers."""
    from rich.console import Console

    from scotoma.reports.table import results_table
    from scotoma.reports.verdict import verdict
    from scotoma.runs.results import Results

    results, console = Results.read(run / "results.json"), Console()
    console.print(results_table(results))
    console.print(verdict(results), markup=False, highlight=False)
