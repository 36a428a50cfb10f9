"""What a setting is called in a table: enough to tell it from every other."""

from report.comparison.labels import labels_of, named


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


def test_paths_of_classes_are_no_options():
    """Configurations of earlier revisions have them; a class that moved is no difference."""
    labels = labels_of(
        [
            {"choices.prior": "vamp", "prior._target_": "models.vamp", "latent_dim": 2},
            {"choices.prior": "vamp", "prior._target_": "models.priors.vamp", "latent_dim": 3},
            {"choices.prior": "vamp", "latent_dim": 4},
        ]
    )
    assert labels == ["latent_dim=2", "latent_dim=3", "latent_dim=4"]


def test_an_absent_option_is_not_one_that_is_null():
    labels = labels_of([{"a": None, "b": 1}, {"b": 1}])
    assert labels == ["a=None", "defaults"]


def test_a_setting_is_named_by_choices_and_by_options_with_their_values():
    settings = [
        {"choices.prior": "vamp", "latent_dim": 2},
        {"choices.prior": "flow", "latent_dim": 2},
        {"choices.prior": "flow", "latent_dim": 3},
    ]
    assert named(settings, "flow") == [1, 2]
    assert named(settings, "flow latent_dim=3") == [2]
    assert named(settings, "prior=vamp") == [0]
    assert named(settings, "2") == [], "a value without its option is no name"
