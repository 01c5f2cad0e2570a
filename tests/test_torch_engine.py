"""PyTorch: a recorded program gives what the function gives, to the bit, and records nothing that it cannot repeat."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from pippin.engines.torch import MAX_PROGRAMS, Recorded  # noqa: E402
from pippin.engines.torch_cuda import Captured  # noqa: E402
from pippin.engines.torch_record import CannotRecordError, record  # noqa: E402
from pippin.engines.torch_simplify import simplify  # noqa: E402

from torch.nn.functional import conv2d, leaky_relu  # noqa: E402  isort: skip


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def names(program):
    return [operation.function.overloadpacket.__name__ for operation in program.operations]


def assert_equal(outputs, expected):
    assert len(outputs) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(outputs, expected, strict=True))
    assert [one.stride() for one in outputs] == [other.stride() for other in expected]


def channels_last_convolution(x, kernel):
    """Convolve NHWC images as Keras 3.15 does."""
    x = x.permute(0, 3, 1, 2).contiguous().contiguous(memory_format=torch.channels_last)
    return conv2d(x, kernel, padding=1).permute(0, 2, 3, 1)


def penalty(inputs):
    """Return the gradient of a gradient penalty with respect to a kernel, and the penalty."""
    x, kernel = (tensor.detach().requires_grad_(True) for tensor in inputs)
    with torch.enable_grad():
        y = channels_last_convolution(leaky_relu(channels_last_convolution(x, kernel)), kernel).square().sum()
        (by_x,) = torch.autograd.grad(y, x, create_graph=True)
        loss = by_x.square().mean()
        (by_kernel,) = torch.autograd.grad(loss, kernel)
    return [by_kernel, loss.detach()]


# -- recording -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda program: program, simplify], ids=["recorded", "simplified"])
def test_a_program_repeats_second_derivatives_to_the_bit(change):
    program, outputs = record(penalty, [normal(2, 8, 8, 3), normal(3, 3, 3, 3)])
    assert_equal(outputs, penalty([normal(2, 8, 8, 3), normal(3, 3, 3, 3)]))
    run = change(program).compile()
    for seed in range(1, 4):
        inputs = [normal(2, 8, 8, 3, seed=seed), normal(3, 3, 3, 3, seed=-seed)]
        assert_equal(run(inputs), penalty(inputs))


def test_a_program_draws_new_random_numbers_in_each_call():
    run = simplify(record(lambda inputs: [inputs[0] + torch.rand(4)], [torch.zeros(4)])[0]).compile()
    torch.manual_seed(3)
    first, second = run([torch.zeros(4)])[0], run([torch.ones(4)])[0]
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(4))
    assert torch.equal(second, 1 + torch.rand(4))


def test_what_depends_on_no_input_is_computed_once():
    program, _ = record(lambda inputs: [inputs[0] * torch.arange(3.0).square().exp()], [torch.ones(3)])
    assert names(program) == ["mul"]
    (output,) = program.compile()([torch.full((3,), 2.0)])
    assert torch.equal(output, 2 * torch.arange(3.0).square().exp())


def test_one_tensor_may_be_passed_twice():
    x = torch.ones(2)
    run = record(lambda inputs: [inputs[0] - inputs[1]], [x, x])[0].compile()
    assert run([torch.tensor([5.0, 5.0]), x])[0].tolist() == [4.0, 4.0]


def test_writing_into_results_is_repeated():
    def function(inputs):
        total = inputs[0] * 2
        view = total[1:]
        view.add_(inputs[1])
        return [total, view + total[:1]]

    run = simplify(record(function, [torch.ones(3), torch.ones(2)])[0]).compile()
    inputs = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 20.0])]
    assert_equal(run(inputs), function(inputs))


kept = torch.zeros(2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * float(x.sum()),
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x + torch.from_numpy(x.numpy() * 2),
        lambda x: x + torch.tensor(x.tolist()),
        lambda x: x + torch.rand(2, generator=torch.Generator().manual_seed(1)),
        lambda x: x + kept.add_(1),
        lambda x: kept.copy_(x) * 1,
    ],
    ids=["float", "branch", "numpy", "list", "generator", "counter", "kept tensor"],
)
def test_what_a_program_could_not_repeat_is_not_recorded(function):
    with pytest.raises(CannotRecordError):
        record(lambda inputs: [function(inputs[0])], [torch.ones(2)])


# -- simplification --------------------------------------------------------------------------------------------------


def test_copies_to_another_order_and_back_are_removed():
    program, outputs = record(
        lambda inputs: [channels_last_convolution(*inputs)], [normal(2, 8, 8, 3), normal(4, 3, 3, 3)]
    )
    assert names(program) == ["permute", "clone", "clone", "convolution", "permute"]
    simple = simplify(program)
    assert names(simple) == ["permute", "convolution", "permute"]
    assert_equal(simple.compile()([normal(2, 8, 8, 3), normal(4, 3, 3, 3)]), outputs)


def test_what_was_computed_before_is_not_computed_again():
    def function(inputs):
        x, power = inputs
        y = x * (1.0 - 0.9**power) + x * (1.0 - 0.9**power)
        return [y, y.t().t() + x.view(-1).view(2, 2) + (x * 1), y * True]

    program, outputs = record(function, [normal(2, 2), torch.tensor(3.0)])
    assert names(simplify(program)) == ["pow", "rsub", "mul", "add", "add", "mul", "add", "mul"]
    assert_equal(simplify(program).compile()([normal(2, 2), torch.tensor(3.0)]), outputs)


def test_outputs_stay_copies():
    program, _ = record(lambda inputs: [inputs[0].clone()], [torch.ones(2)])
    x = torch.ones(2)
    assert simplify(program).compile()([x])[0].data_ptr() != x.data_ptr()


def test_views_of_what_is_written_into_are_left_alone():
    def function(inputs):
        total = inputs[0] + 1
        before = total.clone()
        total.mul_(2)
        return [total.clone() - before, (inputs[0] + 1).clone().clone()]

    program, outputs = record(function, [torch.ones(3)])
    assert_equal(simplify(program).compile()([torch.ones(3)]), outputs)
    assert outputs[0].tolist() == [2.0, 2.0, 2.0]


# -- functions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def counted():
    """A function of a state and a batch that counts how often its Python code runs."""

    def function(state, batch):
        function.calls += 1
        return {"total": state["total"] + batch.sum(), "steps": state["steps"] + 1}, {"mean": batch.mean()}

    function.calls = 0
    return function


def start():
    return {"steps": torch.tensor(0), "total": torch.tensor(0.0)}


def test_a_step_runs_without_its_python_code_after_its_first_call(counted):
    step, state = Recorded(counted, donate=True), start()
    for n in range(5):
        state, measures = step(state, torch.full((3,), float(n)))
        assert measures["mean"] == n
    assert (state["total"], state["steps"], counted.calls) == (30.0, 5, 1)


def test_other_functions_are_recorded_in_their_second_call(counted):
    function = Recorded(counted)
    for _ in range(4):
        function(start(), torch.ones(3))
    assert counted.calls == 2


def test_each_shape_has_a_program_up_to_a_limit(counted):
    step = Recorded(counted, donate=True)
    for _ in range(3):
        for size in range(1, MAX_PROGRAMS + 3):
            state, measures = step(start(), torch.ones(size))
            assert (state["total"], measures["mean"]) == (size, 1.0)
    assert len(step.programs) == MAX_PROGRAMS
    assert counted.calls == MAX_PROGRAMS + 3 * 2


def test_an_order_of_axes_in_memory_is_not_baked_in():
    function = Recorded(lambda x: x.reshape(-1) * 1, donate=True)
    for x in (normal(2, 3), normal(3, 2).t(), normal(2, 3)):
        assert torch.equal(function(x), x.reshape(-1))


def test_a_function_that_cannot_be_recorded_runs_eagerly():
    function = Recorded(lambda x: x * float(x.sum()), donate=True)
    for n in (1.0, 2.0, 3.0):
        assert function(torch.tensor([n])).item() == n * n


def test_a_function_that_fails_raises_its_own_error():
    with pytest.raises(RuntimeError, match="must match the size"):
        Recorded(lambda x: x + torch.ones(3), donate=True)(torch.ones(2))


def test_functions_called_while_recording_become_part_of_the_program():
    inner = Recorded(lambda x: x * 2)
    outer = Recorded(lambda x: inner(inner(inner(x))), donate=True)
    assert [outer(torch.tensor(n)).item() for n in (1.0, 2.0)] == [8.0, 16.0]
    assert inner.programs == []


# -- CUDA graphs -----------------------------------------------------------------------------------------------------


def fake_graph(function, warm_up):
    """Capture as `cuda_graph` does, but by running the function: results stay where they were in the first run."""
    warm_up()
    results = []

    def replay():
        for old, new in zip(results, function(), strict=True):
            old.copy_(new)

    def capture():
        buffers = [cell.cell_contents for cell in function.__closure__ if isinstance(cell.cell_contents, Captured)]
        saved = [buffer.clone() for buffer in buffers[0]._buffers]
        results.extend(function())
        for buffer, value in zip(buffers[0]._buffers, saved, strict=True):
            buffer.copy_(value)  # a capture runs nothing

    capture()
    return replay, results


def test_a_captured_step_updates_its_state_in_place():
    copied = []

    def step(tensors):
        weights, count, batch = tensors
        return [weights + batch, count + 1, batch.mean()]

    captured = Captured(step, [torch.zeros(2), torch.tensor(0), torch.ones(2)], donated=2, capture=fake_graph)
    state, means = [torch.zeros(2), torch.tensor(0)], []
    for n in range(4):
        before = state
        *state, mean = captured([*state, torch.full((2,), float(n))])
        means.append(mean)
        copied.append(state[0] is not before[0])
    assert copied == [True, False, False, False]
    assert state[0].tolist() == [6.0, 6.0]
    assert state[1].item() == 4
    assert [mean.item() for mean in means] == [0.0, 1.0, 2.0, 3.0]


def test_a_captured_step_takes_another_state():
    captured = Captured(
        lambda tensors: [tensors[0] * tensors[1]], [torch.ones(1), torch.ones(1)], donated=1, capture=fake_graph
    )
    (state,) = captured([torch.tensor([3.0]), torch.tensor([2.0])])
    assert state.item() == 6.0
    restored = torch.tensor([5.0])
    (state,) = captured([restored, torch.tensor([2.0])])
    assert (state.item(), restored.item()) == (10.0, 5.0)


# -- the training step -----------------------------------------------------------------------------------------------

CASES = {"labels and RGBA": "function", "user networks": "function", "classic": "partial"}
"""Case → the type of what runs it: a program, or the function itself, because seeded dropout reads its seed."""


@pytest.fixture(scope="module")
def steps():
    script = Path(__file__).with_name("torch_steps.py")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run([sys.executable, script, *CASES], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {row["case"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_recorded_training_steps_equal_eager_ones_to_the_bit(steps, case):
    row = steps[case]
    assert row["programs"] == [CASES[case]]
    assert row["finite"] == [1.0, 1.0, 1.0, 0.0, 1.0]
    assert len(set(row["d_loss"])) == 4
    assert row["same_measures"]
    assert row["same_state"]
