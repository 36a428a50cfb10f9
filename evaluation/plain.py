"""Plain values for evaluation.json and imputations.json; their keys are a contract."""

from collections.abc import Mapping, Sequence
from functools import singledispatch

from torch import Tensor

from evaluation.bracket import SimulatedBracket
from evaluation.diagnostics import Classification
from evaluation.gap import Gap, GapParts
from evaluation.imputation import Error, Errors, Imputed
from evaluation.measured import Measured
from evaluation.rate_distortion import RateDistortion
from evaluation.result import Evaluation
from evidence.calibration import Calibration
from evidence.estimate import paired
from evidence.reliability import Reliability
from evidence.usage import LatentUsage

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def evaluation_json(evaluation: Evaluation) -> dict[str, Json]:
    """Returns the content of evaluation.json."""
    data, bits = evaluation.run.dataset, evaluation.bits_per_dim()
    diagnostics: dict[str, Json] = {}
    source = evaluation.run.data(evaluation.split).source
    for part in evaluation.diagnostics.parts:
        diagnostics |= plain(part)
    return {
        "data": {
            "name": data.name,
            "split": evaluation.split,
            "space": data.space.name,
            "observation": data.description,
            "num_examples": evaluation.num_examples,
            "dimensions": data.dimensions,
            "fingerprint": evaluation.fingerprint,
            **({} if source is None else {"source": source}),
        },
        "epoch": evaluation.run.epoch,
        "trained_by": evaluation.run.trained_by,
        "nats": _nats(evaluation),
        "bits_per_dim": {"mean": bits.mean, "se": bits.standard_error, "from": evaluation.tightest},
        "diagnostics": diagnostics,
        "notes": [note.text for note in evaluation.notes],
        **({"partial": evaluation.partial} if evaluation.partial else {}),
    }


def _nats(evaluation: Evaluation) -> dict[str, Json]:
    """Returns all that is measured in nats, by its name."""
    bounds, gap = evaluation.bounds, evaluation.diagnostics.gap
    nats: dict[str, Json] = {
        "reconstruction": _mean_of(evaluation.reconstruction),
        "kl": _mean_of(evaluation.kl),
    }
    nats |= {name: estimate.summary() for name, estimate in bounds.items()}
    if bounds.ais is not None and bounds.iwae is not None:
        above = _mean_of(paired(bounds.ais, bounds.iwae))
        nats["ais"] = bounds.ais.summary() | {"above_iwae": above}
    if bounds.ais is not None and bounds.reverse_ais is not None:
        above = _mean_of(paired(bounds.reverse_ais, bounds.ais))
        nats["reverse_ais"] = bounds.reverse_ais.summary() | {"above_ais": above}
    if evaluation.gap is not None:
        nats["gap"] = _mean_of(evaluation.gap)
    if gap is not None and evaluation.split in gap.by_split:
        parts = gap.by_split[evaluation.split]
        nats["approximation_gap"] = _mean_of(parts.approximation) | {"from": parts.source}
        nats["amortization_gap"] = _mean_of(parts.amortization) | {"from": parts.source}
    return nats


@singledispatch
def plain(found: object) -> dict[str, Json]:
    """Returns the entries of a diagnostic, by their names under `diagnostics`."""
    raise TypeError(f"nothing makes plain values of a {type(found).__name__}")


@plain.register
def _reliability(found: Reliability) -> dict[str, Json]:
    return {
        "pareto_k": {
            "share_bad": found.bad,
            "threshold": found.threshold,
            "median": float(found.pareto_k.median()),
            "particles": found.particles,
            "num_examples": len(found.pareto_k),
        },
        "effective_sample_size": _sizes(found.effective_size),
    }


@plain.register
def _bracket(found: SimulatedBracket) -> dict[str, Json]:
    # Differences are paired per simulated datum.
    lower, upper = found.bracket.lower, found.bracket.upper
    return {
        "simulated": {
            "ais": lower.summary(),
            "reverse_ais": upper.summary(),
            "iwae": found.iwae.summary(),
            "gap": _mean_of(found.bracket.gap),
            "iwae_below_ais": _mean_of(paired(lower, found.iwae)),
            "iwae_below_reverse_ais": _mean_of(paired(upper, found.iwae)),
        }
    }


@plain.register
def _gap(found: Gap) -> dict[str, Json]:
    return {"gap": {split: _parts(parts) for split, parts in found.by_split.items()}}


def _parts(parts: GapParts) -> dict[str, Json]:
    values: dict[str, Json] = {
        "from": parts.source,
        "approximation": _mean_of(parts.approximation),
        "amortization": _mean_of(parts.amortization),
        "restarts": parts.fits.restarts,
        "diverged": parts.fits.diverged,
    }
    if parts.richer_family is not None:
        gain = _mean_of(paired(parts.richer_family, parts.same_family))
        values["richer"] = {"gain": gain, "converged": parts.richer_converged}
    return values


@plain.register
def _rate_distortion(found: RateDistortion) -> dict[str, Json]:
    rate, distortion = Measured.of(found.rate), Measured.of(found.distortion)
    return {
        "rate_distortion": {
            "rate": rate.mean,
            "rate_se": rate.standard_error,
            "distortion": distortion.mean,
            "distortion_se": distortion.standard_error,
            "num_examples": rate.num_examples,
            "particles": found.particles,
        }
    }


@plain.register
def _usage(found: LatentUsage) -> dict[str, Json]:
    return {
        "active_units": found.active_units,
        "latent_dim": len(found.activity),
        "collapsed": found.collapsed,
        "mutual_information": found.mutual_information,
        "marginal_kl": None if found.saturated else found.marginal_kl,
    }


@plain.register
def _calibration(found: Calibration) -> dict[str, Json]:
    *each, joint = found.departure().tolist()
    return {
        "calibration": {
            "departures": each,
            "joint_departure": joint,
            "band": found.band(),
            "simulations": len(found.ranks),
            "draws": found.draws,
        }
    }


@plain.register
def _classification(found: Classification) -> dict[str, Json]:
    return {"classification": {"error": _mean_of(found.wrong)}}


def imputation_json(imputed: Imputed) -> dict[str, Json]:
    """Returns the content of imputations.json."""
    return {
        "split": imputed.split,
        "mask": imputed.mask,
        "num_examples": len(imputed.x),
        "share_missing": imputed.share_missing,
        "particles": imputed.imputation.particles,
        "effective_sample_size": _sizes(imputed.imputation.effective_size),
        "errors": {
            filler: _errors(errors, imputed.run.dataset.columns or ())
            for filler, errors in imputed.errors().items()
        },
    }


def _errors(errors: Errors, columns: Sequence[str]) -> dict[str, Json]:
    found = {
        "rmse": errors.rmse,
        "nats_per_dimension": errors.nats_per_dimension,
        "standardised_rmse": errors.standardised_rmse,
    }
    told: dict[str, Json] = {name: _error(one) for name, one in found.items() if one is not None}
    if errors.columns:
        each = zip(columns, errors.columns, strict=True)
        told["rmse_by_column"] = {name: _error(error) for name, error in each}
    return told


def _error(error: Error) -> Json:
    return {"value": error.value, "se": error.standard_error}


def _sizes(effective_size: Tensor) -> dict[str, Json]:
    return {"median": float(effective_size.median()), "smallest": float(effective_size.min())}


def _mean_of(values: Tensor) -> dict[str, Json]:
    found = Measured.of(values)
    return {"mean": found.mean, "se": found.standard_error, "num_examples": found.num_examples}
