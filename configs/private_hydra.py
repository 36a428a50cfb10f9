"""Everything that this project uses of Hydra without Hydra's promise that it stays.

`hydra.main` makes its parser itself, and an `argparse.ArgumentParser` prints its usage before an
error and takes overrides in one piece only. Hydra has no public way to give it another parser. Its
own parser gets the class `OneLineParser` here, which leaves all other parsers as they are. Where a
future Hydra lacks the two functions that this needs, `hydra.main` itself takes over, and says
errors in its own words.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

import hydra
from hydra import version
from omegaconf import DictConfig

from configs.described import general_options
from configs.help import help_page
from configs.parser import Parser
from configs.quoting import quoted
from configs.words import check_words, nearest

try:
    from hydra._internal.utils import _run_hydra, get_args_parser
except ImportError:  # pragma: no cover - a Hydra that has been rearranged
    HAS_PARSER = False
else:
    HAS_PARSER = True

Job = Callable[[DictConfig], object]


class OneLineParser(Parser):
    """Hydra's parser. It refuses in one line, and takes flags wherever they stand."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        return self.parse_intermixed_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Says how an option is written, if one was given dashes as those of other programs."""
        if found := re.match(r"unrecognized arguments: --([\w.-]+)", message):
            known = [option.name for option in general_options()]
            message = (
                f"--{found[1]}: options have no dashes, option=value; {nearest(found[1], known)}"
            )
        super().error(message)


def run_hydra(job: Job, config_path: str, config_name: str) -> None:
    """Runs `job` on the configuration that the command line asks for, as `hydra.main` does."""
    if not HAS_PARSER:
        hydra.main(version_base="1.3", config_path=config_path, config_name=config_name)(job)()
        return
    version.setbase("1.3")
    parser = get_args_parser()
    parser.__class__ = OneLineParser
    args = parser.parse_args()
    if args.help:
        print(help_page(args.overrides, [args.config_dir] if args.config_dir else []))
        return
    check_words(args.overrides, args.config_dir, args.multirun)
    args.overrides = quoted(args.overrides, args.multirun)
    _run_hydra(
        args=args,
        args_parser=parser,
        task_function=job,
        config_path=config_path,
        config_name=config_name,
    )
