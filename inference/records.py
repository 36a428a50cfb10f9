"""Whether what a checkpoint holds are lines of metrics."""

from collections.abc import Mapping

from evidence.training.alike import check_alike


def check_records(records: object) -> None:
    """Checks that `records` are lines of metrics: flat, with an epoch and a split.

    Raises:
        TypeError: They are not.
    """
    if not isinstance(records, list):
        raise TypeError("metrics are not a list")
    for record in records:
        if not isinstance(record, Mapping):
            raise TypeError("a line of metrics is not a mapping")
        check_alike([0, ""], [record["epoch"], record["split"]])
        if not all(isinstance(value, bool | int | float | str | None) for value in record.values()):
            raise TypeError("a line of metrics has a value that is not plain")
