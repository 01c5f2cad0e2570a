"""Resuming a run: the checks that it is continued as it was begun, its plan, and training it for longer."""

import dataclasses

from pippin.errors import RunError
from pippin.networks import Networks
from pippin.pictures import Dataset
from pippin.pictures.comparison import compare, compare_preparations
from pippin.pictures.preparing.cache import find_prepared, have_same_source
from pippin.runs.run import Run
from pippin.session.plan import Plan
from pippin.settings import GIVEN, Choice
from pippin.training.schedule import schedule_at

LENGTHS = "batches", "minutes"
"""The settings that say how long to train. A run may be resumed with another value of its own one."""


STOP, PREPARED, NEW = "stop", "prepared", "new"
CHANGED_PICTURES = STOP, PREPARED, NEW
"""What is done if the pictures differ from those that a run was begun with: stop with an error, resume with the
pictures that were prepared for it, or continue with the new ones."""


EARLIER_VERSION = "the pictures are those that an earlier version of Pippin prepared for this run from the same files"
"""A note on the dataset of a run whose files have not changed, but are prepared to other images today."""


def resumed_plan(run: Run, new: Plan, changed_pictures: str = STOP) -> Plan:
    """Return a plan with the settings and networks of an existing run, and with the length that was given now, if any.

    Settings that depend on the machine, such as a batch size chosen for the free memory, stay as they were.

    Args:
        run: the run to resume.
        new: the plan made from the arguments of this call.
        changed_pictures: see `CHANGED_PICTURES`.

    Raises:
        RunError: the run was made with other images, a given setting differs, or the run was trained for longer.
    """
    choice = _with_length(run, new.choice)
    _check_settings(run, choice, new.choice)
    new = dataclasses.replace(new, dataset=_dataset(run, new.dataset, changed_pictures))
    complete = run.finished and choice.settings == run.settings
    networks = new.networks if complete else _resumed_networks(run, new)
    return dataclasses.replace(new, choice=choice, networks=networks)


def _with_length(run: Run, given: Choice) -> Choice:
    """Return the run's settings, with the length that was given now.

    Raises:
        RunError: the run was already trained for longer.
    """
    choice = run.folder.choice
    name = next(name for name in LENGTHS if getattr(run.settings, name) is not None)
    length = getattr(given.settings, name)
    if name not in given.given or length is None or length == getattr(run.settings, name):
        return choice
    trained = run.batches if name == "batches" else run.seconds / 60
    if length < trained:
        raise RunError(
            f"The run in {run.path} was already trained for {trained:,.4g} {name}; ask for more, or choose another "
            f"folder with --run. Received: {name}={length}"
        )
    return dataclasses.replace(choice.replace(name, length, GIVEN), given=choice.given | {name})


def changed_length(run: Run, choice: Choice) -> str | None:
    """Return a sentence for the user if a run is resumed with another length than before, or else None.

    The schedule is stretched: the learning rate and the other scheduled values follow the curves of a run that had the
    new length from the start. It ends as such a run does, and it has no second warm-up. The alternative, a second
    schedule from its start, would return to the highest learning rate, which forgets more of what was learnt.

    Args:
        run: the run, as it was.
        choice: its settings from now on.
    """
    name = next(name for name in LENGTHS if getattr(run.settings, name) is not None)
    before, after = getattr(run.settings, name), getattr(choice.settings, name)
    if before == after:
        return None
    trained = run.batches if name == "batches" else run.seconds / 60
    images = run.batches * run.settings.batch_size
    rates = [
        schedule_at(settings, trained / length, images)["learning_rate"]
        for settings, length in ((run.settings, before), (choice.settings, after))
    ]
    return (
        f"The run is trained for {after:,} {name} in total instead of {before:,}. The schedule is stretched to this "
        f"length: training resumes at {min(1.0, trained / after):.0%} of it with a learning rate of {rates[1]:.2g} "
        f"instead of {rates[0]:.2g}, which falls to {choice.settings.learning_rate_end:.2g} at the end"
    )


def _check_settings(run: Run, choice: Choice, given: Choice) -> None:
    """Raise a `RunError` if a setting differs that was given, in this call or when the run was begun.

    Args:
        run: the run.
        choice: its settings, with the length that was given now.
        given: the settings of this call.
    """
    before, now = choice.settings.to_dict(), given.settings.to_dict()
    names = {"preset", "image_size"}.union(*(each.given | each.derived for each in (choice, given)))
    differing = [f"{name}={now[name]} (the run has {before[name]})" for name in names if before[name] != now[name]]
    if differing:
        raise RunError(
            f"The run in {run.path} was made with other settings; choose another folder with --run. "
            f"Received: {', '.join(sorted(differing))}"
        )


def _dataset(run: Run, new: Dataset, changed_pictures: str) -> Dataset:
    """Return the dataset to resume a run with.

    Raises:
        RunError: the pictures have changed and the user chose nothing for this case, or the chosen ones cannot be used.
    """
    if run.about["fingerprint"] != new.fingerprint:
        earlier = find_prepared(new, run.about["fingerprint"]) if changed_pictures != NEW else None
        if changed_pictures == STOP:
            if earlier is None or not have_same_source(earlier, new):
                raise _changed(run, new, "restore them, or choose")
            earlier.notes = (*earlier.notes, EARLIER_VERSION)
            new = earlier
        if changed_pictures == PREPARED:
            if earlier is None:
                raise _changed(
                    run, new, "those are no longer in the cache of prepared pictures; restore them, or choose"
                )
            new = earlier
        if list(new.labels.names if new.labels else ()) != run.labels:
            raise _changed(run, new, "the labels differ too, so that the run cannot continue with them; choose")
    if run.channels != new.channels:
        raise RunError(
            f"The run in {run.path} was made with images of {run.channels} channels; resume it with --channels "
            f"{run.channels}, or choose another folder with --run. Received: channels={new.channels}"
        )
    return new


def _changed(run: Run, dataset: Dataset, advice: str) -> RunError:
    """Return the error for a run whose pictures have changed."""
    before, now = run.about["source"], dataset.manifest["source"]
    return RunError(
        f"The run in {run.path} was made with other pictures ({changes(run, dataset)}); {advice} another folder with "
        "--run, or use --changed-pictures prepared (resume with the earlier pictures) or new (continue with these). "
        f"Received: {now}" + (f" (the run has {before})" if before != now else "")
    )


def changes(run: Run, dataset: Dataset) -> str:
    """Return how a dataset differs from the one that a run was begun with."""
    options = compare_preparations(run.folder.preparation, dataset.preparation)
    changes = str(compare(run.folder.audit_entries(), dataset.audit.entries))
    return f"prepared with {options}; {changes}" if options else changes


def _resumed_networks(run: Run, new: Plan) -> Networks:
    """Return the networks stored in the run, with the weights of the new ones where these fit.

    Another version of Pippin may build other networks for the same settings, so the stored ones are used. The weights
    count only if the run has no checkpoint yet. If the user's own networks do not fit, they are returned, and loading
    the checkpoint reports the error.
    """
    drawn = not run.folder.has_checkpoint
    generator, discriminator = (run.folder.build_network(name, drawn) for name in ("generator", "discriminator"))
    stored = Networks(generator, discriminator, new.networks.projector)
    pairs = list(zip(stored[:2], new.networks[:2], strict=True))
    fitting = [
        [weight.shape for weight in old.weights] == [weight.shape for weight in fresh.weights] for old, fresh in pairs
    ]
    if new.own_networks and not all(fitting):
        return new.networks
    for (old, fresh), fits in zip(pairs, fitting, strict=True):
        if fits:
            old.set_weights(fresh.get_weights())
    return stored
