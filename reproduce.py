"""Measure published figures again: python reproduce.py [--list] [CELL …]."""

from pathlib import Path

from configs.parser import Parser, add_choice, add_switch
from configs.process import complain, run_script, spin_briefly
from data.places import no_folder, no_output_folder
from errors import RequestError
from published.cell import chosen, registry
from published.listing import listing
from published.place import FOLDER, Place

CELLS = """a published figure, by the name that --list shows; all of them if none is named.
data.root=DIR among them says where MNIST and Fashion-MNIST are, in torchvision's layout"""
QUICK = "shorten every protocol to a few seconds: the commands are tried, and no verdict counts"
OUT = f"the folder of the runs, of published.json and of index.html ({FOLDER})"


def parser() -> Parser:
    """Returns the parser of the command line."""
    new = Parser(
        description="Train and evaluate what published figures are of, and say of each whether it "
        "is reproduced, better, worse or not comparable, and why. A cell that was cut goes on.",
        epilog="example: python reproduce.py burda_k1 data.root=datasets",
    )
    new.add_argument("cells", nargs="*", metavar="CELL", help=CELLS)
    add_switch(new, "--list", "show the cells, and measure nothing")
    add_switch(new, "--quick", QUICK)
    add_choice(new, "--format", "text", ("text", "markdown"), "of the table")
    new.add_argument("--out", metavar="DIR", type=Path, default=FOLDER, help=OUT)
    return new


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if every cell was measured, 2 if the request was wrong, 1 if a command failed."""
    given = parser().parse_intermixed_args(arguments)  # data.root=DIR may come after --options
    roots = [word for word in given.cells if word.startswith("data.root=")]
    try:
        cells = registry()
        asked = chosen([name for name in given.cells if name not in roots], cells)
        for option, why in (
            (f"--out {given.out}", no_output_folder(given.out)),
            *((root, no_folder(Path(root.removeprefix("data.root=") or "?"))) for root in roots),
        ):
            if why:
                raise RequestError(f"{option}: {why}")
    except RequestError as error:
        return complain(str(error), 2)
    if given.list:
        print(listing(asked))
        return 0
    spin_briefly()
    from published.command import reproduce  # torch takes seconds to import

    root = roots[-1].removeprefix("data.root=") if roots else Place.data_root
    folder = given.out / "quick" if given.quick else given.out
    place = Place(folder, str(Path(root).expanduser().absolute()), given.quick)
    return reproduce(asked, cells, place, given.format)


if __name__ == "__main__":
    run_script(main)
