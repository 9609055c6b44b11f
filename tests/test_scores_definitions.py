"""Every score against its definition, by brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sampleinfo import linearized, targets, tuning
from sampleinfo.appearance import appearance
from sampleinfo.errors import InvalidSetting, NumericalError
from sampleinfo.linearized import Training
from sampleinfo.scores import Evidence, find
from sampleinfo.scores.el2n import el2n
from sampleinfo.scores.laplace_information import fit_head
from sampleinfo.scores.odd_pixels import odd_pixels
from sampleinfo.scores.outlyingness import outlyingness
from sampleinfo.scores.prototypicality import centres
from tests.reference import LinearNetwork, head_posterior
from tests.test_scores import TRAININGS, D, M, N, close, some_evidence

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_margin_is_the_best_other_output_minus_that_of_the_label(k: int, training: str) -> None:
    network, evidence = some_evidence(k, training)
    outputs = network.targets - network.held_out_errors(evidence.fit.training)
    wanted = []
    for label, given in zip(evidence.labels, outputs, strict=True):
        own = np.array([1 - given[0], given[0]]) if k == 1 else given
        wanted.append(max(value for c, value in enumerate(own) if c != label) - own[label])
    assert close(find("leave_one_out_margin").compute(evidence), np.array(wanted), 1e-8)


@pytest.mark.parametrize("k", [1, 3])
def test_margin_is_above_zero_exactly_where_the_prediction_is_wrong(k: int) -> None:
    _, evidence = some_evidence(k)
    problem = evidence.fit.problem
    assert problem.targets is not None
    predicted = targets.decode(problem.targets - evidence.fit.leave_each_out().errors)
    margin = find("leave_one_out_margin").compute(evidence)
    assert np.array_equal(margin > 0, predicted != evidence.labels) and (margin > 0).any()
    with pytest.raises(InvalidSetting, match="the margin needs the training targets"):
        blind = linearized.fit(replace(problem, targets=None), Training(ridge=1.0))
        find("leave_one_out_margin").compute(Evidence(blind, evidence.labels))


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("training", TRAININGS)
def test_el2n_is_the_error_after_a_tenth_of_the_training(k: int, training: str) -> None:
    network, evidence = some_evidence(k, training)
    how = evidence.fit.training
    mean = np.einsum("ikp,ikp->", network.jacobian, network.jacobian) / (N * k)
    early: dict[str, dict[str, float]] = {
        "ridge": {"ridge": 5.0}, "small ridge": {"ridge": 1e-3}, "no ridge": {"ridge": 10 * mean},
        "steps": {"steps": 4}, "one step": {"steps": 1}, "steps with a ridge": {"steps": 20}, "flow": {"steps": 5.25},
    }  # fmt: skip
    wanted = np.linalg.norm(network.held_in_errors(replace(how, **early[training])), axis=1)
    assert close(find("el2n").compute(evidence), wanted, 1e-8)


@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1e12, 1e150])
def test_el2n_does_not_depend_on_the_scale_of_the_kernel(scale: float) -> None:
    _, evidence = some_evidence(3)
    problem = evidence.fit.problem
    scaled = replace(problem, gram=problem.gram * scale, cross=problem.cross * scale)
    assert close(el2n(linearized.fit(scaled, Training(ridge=0.5 * scale))), el2n(evidence.fit), 1e-8)


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_grand_is_the_norm_of_the_loss_gradient_in_weight_space(k: int) -> None:
    network, evidence = some_evidence(k)
    residual = network.targets - network.outputs
    gradients = [-own.T @ r for own, r in zip(network.jacobian, residual, strict=True)]
    assert close(find("grand").compute(evidence), np.linalg.norm(gradients, axis=1), 1e-12)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("training", ["ridge", "small ridge"])
def test_mpe_is_predictive_covariance_times_error(k: int, training: str) -> None:
    network, evidence = some_evidence(k, training)
    how, p = evidence.fit.training, network.jacobian.shape[2]
    design = network.jacobian.reshape(-1, p)
    covariance = np.linalg.inv(design.T @ design + how.ridge * np.eye(p))
    errors = network.held_in_errors(how)
    wanted = [np.linalg.norm(j @ covariance @ j.T @ e) for j, e in zip(network.jacobian, errors, strict=True)]
    assert close(find("mpe_sensitivity").compute(evidence), np.array(wanted), 1e-6)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("training", ["ridge", "steps", "one step", "steps with a ridge", "flow"])
def test_mpe_is_what_the_outputs_gain_from_their_targets_times_error(k: int, training: str) -> None:
    network, evidence = some_evidence(k, training)
    how = evidence.fit.training
    moved = np.einsum("iop,ip->io", network.own_gain(how), network.held_in_errors(how))
    assert close(find("mpe_sensitivity").compute(evidence), np.linalg.norm(moved, axis=1), 1e-7)


def test_mpe_foretells_how_far_the_own_prediction_moves() -> None:
    network, evidence = some_evidence(1, "ridge", 3)
    how = Training(ridge=1e4)  # small leverages: first order is enough
    fit = linearized.fit(network.problem(), how)
    true = np.abs(network.held_out_errors(how) - network.held_in_errors(how))[:, 0]
    np.testing.assert_allclose(find("mpe_sensitivity").compute(Evidence(fit, evidence.labels)), true, rtol=0.2)


def mean_loss(network: LinearNetwork, importance: np.ndarray, ridge: float) -> float:
    wanted = network.problem().val_targets
    assert wanted is not None
    outputs = network.predict(network.train_weighted(importance, ridge))
    return float(np.sum((wanted - outputs) ** 2)) / (2 * M)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("training", ["ridge", "small ridge"])
def test_influence_is_the_slope_of_the_loss_when_the_sample_counts_less(k: int, training: str) -> None:
    network, evidence = some_evidence(k, training)
    ridge, step = evidence.fit.training.ridge, 1e-2
    falls = []
    for i in range(N):
        more, less = np.ones(N), np.ones(N)
        more[i] += step
        less[i] -= step
        falls.append((mean_loss(network, more, ridge) - mean_loss(network, less, ridge)) / (2 * step))
    assert close(find("influence").compute(evidence), np.array(falls), 1e-3)


def test_leaving_out_a_harmful_sample_lowers_the_loss() -> None:
    network, evidence = some_evidence(3)
    how, wanted = Training(ridge=3000.0), network.problem().val_targets
    fit = linearized.fit(network.problem(), how)
    assert wanted is not None

    def loss(weights: np.ndarray) -> float:
        return float(np.sum((wanted - network.predict(weights)) ** 2)) / (2 * M)

    falls = [loss(network.train(np.arange(N), how)) - loss(network.without([i], how)) for i in range(N)]
    found = find("influence").compute(Evidence(fit, evidence.labels))
    assert np.corrcoef(found, falls)[0, 1] > 0.95 and np.array_equal(found > 0, np.array(falls) > 0)


def test_influence_needs_validation_targets() -> None:
    _, evidence = some_evidence()
    blind = linearized.fit(replace(evidence.fit.problem, val_targets=None), Training(ridge=1.0))
    with pytest.raises(InvalidSetting, match="influence needs validation images and their targets"):
        find("influence").compute(Evidence(blind, evidence.labels))


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("d", [2, 4, 30])
def test_lsi_is_the_divergence_of_two_posteriors(k: int, d: int) -> None:
    _, evidence = some_evidence(k)
    features = np.random.default_rng(d).normal(size=(N, d)) + 0.5
    residual = evidence.fit.problem.residual
    head = fit_head(features, residual)
    whole = head_posterior(features, residual, head.ridge, head.noise_variance)
    wanted = []
    for i in range(N):
        rest = np.delete(np.arange(N), i)
        other = head_posterior(features[rest], residual[rest], head.ridge, head.noise_variance)
        wanted.append(whole.divergence(other))
    found = find("laplace_information").compute(replace(evidence, features=features))
    assert close(found, np.array(wanted), 1e-6) and (found > 0).all()


@pytest.mark.parametrize("d", [2, 14])
def test_the_head_has_the_least_leave_one_out_error(d: int) -> None:
    rng = np.random.default_rng(d)
    features = rng.normal(size=(N, d))
    noise = 0.3 if d < N else 3.0  # with more features than images only noise makes one ridge better than others
    wanted = features[:, :2] @ rng.normal(size=(2, 3)) + noise * rng.normal(size=(N, 3))
    head = fit_head(features, wanted)

    def left_out(ridge: float) -> float:
        errors = []
        for i in range(N):
            rest = np.delete(np.arange(N), i)
            weights = head_posterior(features[rest], wanted[rest], ridge, 1.0).mean.reshape(3, -1)
            errors.append(wanted[i] - weights @ np.append(features[i], 1.0))
        return float(np.mean(np.square(errors)))

    assert left_out(head.ridge) == pytest.approx(head.noise_variance, rel=1e-6)
    for factor in (10**-0.5, 10**0.5):
        assert left_out(head.ridge * factor) >= 0.9999 * head.noise_variance
    shifted = fit_head(features + 7.0, wanted - 3.0)  # the bias takes it up
    assert close(shifted.errors, head.errors, 1e-8) and close(shifted.leverages, head.leverages, 1e-8)


def test_prototypes_are_the_means_of_what_is_nearest_to_them() -> None:
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(20, 3)) + 30 * np.eye(3)[c] for c in range(3)])
    found = centres(features, 3, 0)
    squared = np.sum((features[:, None] - found) ** 2, axis=2)
    nearest = squared.argmin(axis=1)
    for number, centre in enumerate(found):
        np.testing.assert_allclose(features[nearest == number].mean(axis=0), centre, rtol=1e-10)
    assert sorted(np.bincount(nearest)) == [20, 20, 20]
    _, evidence = some_evidence()
    values = find("prototypicality").compute(replace(evidence, features=features, labels=np.arange(60) % 3))
    np.testing.assert_allclose(values, np.sqrt(squared.min(axis=1)), rtol=1e-9)


def test_equal_and_broken_features() -> None:
    _, evidence = some_evidence()
    equal = replace(evidence, features=np.ones((N, D)))
    assert np.array_equal(find("prototypicality").compute(equal), np.zeros(N))
    assert np.isfinite(find("laplace_information").compute(equal)).all()
    for name in ("prototypicality", "laplace_information"):
        with pytest.raises(NumericalError, match="the features hold values that are not finite"):
            find(name).compute(replace(evidence, features=np.full((N, D), np.nan)))


def test_vog_compares_images_of_a_class() -> None:
    _, evidence = some_evidence()
    spread, labels = np.array([1.0, 3.0, 5.0, 2.0, 2.0, 9.0]), np.array([0, 0, 0, 1, 1, 2])
    found = find("vog").compute(replace(evidence, gradient_spread=spread, labels=labels))
    np.testing.assert_allclose(found, [-np.sqrt(1.5), 0, np.sqrt(1.5), 0, 0, 0], atol=1e-12)


def ridge_regression_without(kernel: np.ndarray, wanted: np.ndarray, ridge: float) -> np.ndarray:
    """(n, k) predictions of every sample by kernel ridge regression on the others, one solve each."""
    out = np.empty_like(wanted)
    for i in range(len(wanted)):
        rest = np.delete(np.arange(len(wanted)), i)
        inner = kernel[np.ix_(rest, rest)] + ridge * np.eye(len(rest))
        out[i] = kernel[i, rest] @ np.linalg.solve(inner, wanted[rest])
    return out


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_label_suspicion_is_the_error_of_the_best_kernel_and_ridge_without_the_image(k: int) -> None:
    _, evidence = some_evidence(k)
    features, mirrored, gram = evidence.features, evidence.mirrored, evidence.fit.problem.gram
    assert features is not None and mirrored is not None
    mean = sum(gram[c::k, c::k] for c in range(k)) / k
    own = mean / np.sqrt(np.outer(np.diag(mean), np.diag(mean)))
    rows = {"head": features, "mirror": features + mirrored}
    kernels = {name: each @ each.T / np.outer(*2 * [np.linalg.norm(each, axis=1)]) for name, each in rows.items()}
    kernels = {"run": own, **kernels, **{f"run+{name}": (own + each) / 2 for name, each in kernels.items()}}
    start = 1 / max(k, 2)
    wanted = targets.encode(evidence.labels, max(k, 2))
    outputs = {
        (name, ridge): start + ridge_regression_without(kernel, wanted - start, ridge)
        for name, kernel in kernels.items()
        for ridge in tuning.RIDGES
    }
    errors = {each: float(np.mean(np.sum((wanted - found) ** 2, axis=1))) for each, found in outputs.items()}
    best = min(errors, key=lambda each: errors[each])
    held = evidence.held_out
    assert (held.kernel, held.ridge) == best
    for name in kernels:
        least = min(error for each, error in errors.items() if each[0] == name)
        assert held.errors[name] == pytest.approx(least, rel=1e-6)
    assert close(held.outputs, outputs[best])
    assert close(find("label_suspicion").compute(evidence), np.linalg.norm(wanted - outputs[best], axis=1))
    assert held.facts()["title"] and set(held.facts()["errors"]) == set(kernels)


def test_label_suspicion_needs_no_features_and_refuses_bad_ones() -> None:
    _, evidence = some_evidence()
    alone = Evidence(evidence.fit, evidence.labels)
    assert alone.held_out.kernel == "run" and set(alone.held_out.errors) == {"run"}
    assert set(Evidence(evidence.fit, evidence.labels, evidence.features).held_out.errors) == {
        "run",
        "head",
        "run+head",
    }
    assert evidence.features is not None
    with pytest.raises(NumericalError, match="features hold values that are not finite"):
        _ = Evidence(evidence.fit, evidence.labels, evidence.features * np.inf).held_out


def test_outlyingness_is_the_mean_distance_to_the_nearest() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 5)) * 1e3 + 1e5
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    wanted = np.sort(distances, axis=1)[:, 1:11].mean(axis=1)
    assert close(outlyingness(features), wanted)
    few = features[:3]
    assert close(outlyingness(few), distances[:3, :3].sum(axis=1) / 2)
    assert np.array_equal(outlyingness(features[:1]), [0.0])
    assert close(outlyingness(np.ones((15, 2))), np.zeros(15))


def test_squeezing_and_adversarial_suspicion_by_definition() -> None:
    _, evidence = some_evidence(3)
    assert evidence.features is not None and evidence.smoothed is not None
    moved = np.linalg.norm(evidence.features - evidence.smoothed, axis=1)
    assert close(find("squeezing").compute(evidence), moved)
    wanted = moved * find("label_suspicion").compute(evidence)
    assert close(find("adversarial_suspicion").compute(evidence), wanted)


def test_odd_pixels_stand_out_among_images_of_one_look() -> None:
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    odd = np.arange(0, 200, 10)
    looks[odd] += 25 * rng.choice([-1, 1], size=(20, 4))
    found = odd_pixels(looks)
    others = np.delete(np.arange(200), odd)
    assert found[odd].min() > found[others].max()
    order = rng.permutation(200)
    assert close(odd_pixels(looks[order]), found[order])
    true = np.linalg.inv(np.linalg.cholesky(np.cov(looks[others].T)))
    assert (
        np.corrcoef(found[others], np.linalg.norm((looks[others] - looks[others].mean(0)) @ true.T, axis=1))[0, 1]
        > 0.95
    )


@pytest.mark.parametrize("looks", [np.zeros((30, 4)), np.eye(4), np.repeat(np.eye(4), 20, axis=0), np.ones((1, 4))])
def test_odd_pixels_of_equal_or_few_images_are_finite(looks: np.ndarray) -> None:
    found = odd_pixels(looks)
    assert found.shape == (len(looks),) and np.isfinite(found).all() and (found >= 0).all()


def test_appearance_tells_how_pictures_are_spoilt() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (3, 16, 16, 3)).astype(np.uint8)
    flat = np.full((1, 16, 16, 3), 90, dtype=np.uint8)
    found = appearance(np.concatenate([pixels, pixels // 4, flat]))
    assert found.shape == (7, 4) and np.isfinite(found).all()
    grey = pixels[0].mean(axis=2) / 255
    assert found[0, 1] == pytest.approx(np.log(grey.std() + 1e-3)) and found[0, 2] == pytest.approx(grey.mean())
    assert (found[3:6, :3] < found[:3, :3]).all() and found[6, 3] == found[:, 3].max()
    assert appearance(pixels[:0]).shape == (0, 4)
