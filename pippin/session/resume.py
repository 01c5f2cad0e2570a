"""Resuming a run: the checks that it is continued as it was begun, and its plan."""

import dataclasses

from pippin.errors import RunError
from pippin.networks import Networks
from pippin.pictures import Dataset
from pippin.pictures.comparison import compare, compare_preparations
from pippin.runs.run import Run
from pippin.session.plan import Plan


def resumed_plan(run: Run, new: Plan) -> Plan:
    """Return a plan with the settings and networks of an existing run.

    Settings that depend on the machine, such as a batch size chosen for the free memory, stay as they were.

    Args:
        run: the run to resume.
        new: the plan made from the arguments of this call.

    Raises:
        RunError: the run was made with other images, or a given setting differs.
    """
    _check_settings(run, new)
    _check_images(run, new)
    networks = new.networks if run.finished else _resumed_networks(run, new.networks)
    return dataclasses.replace(new, choice=run.folder.choice, networks=networks)


def _check_settings(run: Run, new: Plan) -> None:
    """Raise a `RunError` if a setting differs that was given, in this call or when the run was begun."""
    before, now = run.settings.to_dict(), new.settings.to_dict()
    choices = run.folder.choice, new.choice
    names = {"preset", "image_size"}.union(*(choice.given | choice.derived for choice in choices))
    differing = [f"{name}={now[name]} (the run has {before[name]})" for name in names if before[name] != now[name]]
    if differing:
        raise RunError(
            f"The run in {run.path} was made with other settings; choose another folder with --run. "
            f"Received: {', '.join(sorted(differing))}"
        )


def _check_images(run: Run, new: Plan) -> None:
    """Raise a `RunError` if the run was made with other images, or with other channels of them."""
    if run.about["fingerprint"] != new.dataset.fingerprint:
        before, now = run.about["source"], new.dataset.manifest["source"]
        raise RunError(
            f"The run in {run.path} was made with other pictures ({_changes(run, new.dataset)}); restore them, or "
            "choose another folder with --run. A new run can start from this one with --from. "
            f"Received: {now}" + (f" (the run has {before})" if before != now else "")
        )
    if run.channels != new.dataset.channels:
        raise RunError(
            f"The run in {run.path} was made with images of {run.channels} channels; resume it with --channels "
            f"{run.channels}, or choose another folder with --run. Received: channels={new.dataset.channels}"
        )


def _changes(run: Run, dataset: Dataset) -> str:
    """Return how a dataset differs from the one that a run was begun with."""
    options = compare_preparations(run.folder.preparation, dataset.preparation)
    changes = str(compare(run.folder.audit_entries(), dataset.audit.entries))
    return f"prepared with {options}; {changes}" if options else changes


def _resumed_networks(run: Run, new: Networks) -> Networks:
    """Return the networks stored in the run with the weights of the new ones, if these fit.

    A later version of Pippin may build networks with the same weights that compute something else, so the stored ones
    are used. If the weights do not fit, the new networks are returned, and loading the checkpoint reports the error.
    """
    stored = Networks(run.folder.build_network("generator"), run.folder.build_network("discriminator"), new.projector)
    for old, fresh in zip(stored[:2], new[:2], strict=True):
        if [weight.shape for weight in old.weights] != [weight.shape for weight in fresh.weights]:
            return new
        old.set_weights(fresh.get_weights())
    return stored
