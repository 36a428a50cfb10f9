"""What a setting is called in a table: enough to tell it from every other."""

from report.comparison.comparing import labels_of


def test_settings_of_one_choice_are_told_apart_by_its_options():
    gaussian = {"choices.likelihood": "gaussian", "likelihood._target_": "g", "train.epochs": 3}
    settings = [
        gaussian | {"likelihood.scale": 0.5},
        gaussian | {"likelihood.scale": "learned"},
        {"choices.likelihood": "beta", "likelihood._target_": "b", "train.epochs": 3},
    ]
    labels = labels_of(settings)
    assert labels == [
        "likelihood=gaussian · likelihood.scale=0.5",
        "likelihood=gaussian · likelihood.scale=learned",
        "likelihood=beta",
    ]


def test_an_option_that_only_one_choice_has_is_left_to_its_name():
    labels = labels_of(
        [{"choices.prior": "vamp", "prior.components": 500}, {"choices.prior": "standard_normal"}],
    )
    assert labels == ["prior=vamp", "prior=standard_normal"]
