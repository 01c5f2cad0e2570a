"""Diagrams: what a row tells is what the layers are, and what is drawn stays where it belongs."""

import xml.etree.ElementTree as ET

import keras
import numpy as np
import pytest
import tiny
from keras import layers

import pippin
from pippin import networks
from pippin.errors import NetworkError, PippinError, SettingsError
from pippin.session import memory
from pippin.show import diagram
from pippin.show.diagram import layout, png, themes
from pippin.show.diagram.layout import Box, Line, Text

SVG = "{http://www.w3.org/2000/svg}"


def rows(*models):
    return [row for section in diagram.read(list(models)) for row in section.rows]


def titles(*models):
    return [" → ".join(row.labels) for row in rows(*models)]


@pytest.fixture(scope="module")
def standard():
    return networks.build("standard", 64, 64, features="efficientnet-lite0")


def branched():
    """Two ways that meet twice, and a model that is used twice."""
    x = keras.Input((8, 8, 3), name="images")
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.ReLU()])
    y = layers.Conv2D(4, 1, activation="leaky_relu")(x)
    y = layers.Concatenate()([inner(y), inner(layers.Dropout(0.5)(y))])
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D()(y))
    y = layers.Multiply()([y, layers.Reshape((1, 1, 8))(gate)])
    return keras.Model(x, layers.Dense(1)(layers.Flatten()(y)), name="branched")


def test_a_sequential_model_is_read_in_rows_of_what_belongs_together():
    generator, discriminator = networks.build("classic", 16, 100)[:2]
    assert titles(generator) == [
        "latents",
        "Dense → BatchNorm → ReLU → Reshape",
        "UpSampling2D 2×2 → Conv2D 5×5 → BatchNorm → ReLU",
        "UpSampling2D 2×2 → Conv2D 5×5 → tanh",
    ]
    assert titles(discriminator) == [
        "images",
        "Conv2D 5×5, stride 2 → LeakyReLU → Dropout",
        "Conv2D 5×5, stride 2 → LeakyReLU → Dropout",
        "Flatten → Dense",
    ]


def test_a_residual_block_is_two_rows_and_the_way_past_them():
    x = keras.Input((8, 8, 4), name="images")
    y = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(x))
    y = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(y))
    model = keras.Model(x, layers.Add()([x, y]))
    start, first, second = rows(model)
    assert titles(model) == ["images", "ReLU → Conv2D 3×3", "ReLU → Conv2D 3×3 → Add"]
    assert first.sources == [start]
    assert sorted(map(id, second.sources)) == sorted(map(id, [first, start]))


def test_a_frozen_model_in_front_is_one_row(standard):
    read = diagram.read([standard.projector, standard.discriminator])
    assert [section.name for section in read] == ["projector", "discriminator"]
    assert [section.frozen for section in read] == [True, False]
    (eye,) = [row for row in read[0].rows if row.kind == "model"]
    assert eye.labels == ["efficientnet-lite0, frozen"]
    assert eye.shapes == [(32, 32, 24), (16, 16, 40), (8, 8, 112), (4, 4, 320)]
    assert eye.frozen
    entries = [row for row in read[1].rows if any(source in read[0].rows for source in row.sources)]
    assert len(entries) == 5, "one head for each map"


@pytest.mark.parametrize("model", ["generator", "discriminator", "projector"])
def test_all_parameters_and_all_memory_are_in_some_row(standard, model):
    (section,) = diagram.read([getattr(standard, model)])
    assert sum(row.parameters for row in section.rows) == section.parameters
    assert section.parameters == getattr(standard, model).count_params()
    own = getattr(standard, model)
    inputs = sum(4 * int(np.prod(tensor.shape[1:])) for tensor in own.inputs)
    inside = sum(
        4 * int(np.prod(tensor.shape[1:]))
        for layer in own.layers
        if isinstance(layer, keras.Model)
        for tensor in layer.inputs
    )
    assert section.memory == memory.activation_bytes(own) - inputs - inside


@pytest.mark.parametrize(
    ("layer", "shape", "flop"),
    [
        (layers.Dense(5), (7,), 2 * 7 * 5),
        (layers.Conv2D(6, 3, padding="same"), (8, 8, 4), 2 * 9 * 4 * 6 * 64),
        (layers.Conv2D(6, 3, strides=2, padding="same"), (8, 8, 4), 2 * 9 * 4 * 6 * 16),
        (layers.Conv2D(6, 3, groups=2, padding="same"), (8, 8, 4), 2 * 9 * 2 * 6 * 64),
        (layers.DepthwiseConv2D(3, padding="same"), (8, 8, 4), 2 * 9 * 4 * 64),
        (layers.Conv2DTranspose(6, 4, strides=2, padding="same"), (8, 8, 4), 2 * 16 * 4 * 6 * 64),
        (layers.ReLU(), (8, 8, 4), 256),
        (layers.Reshape((256,)), (8, 8, 4), 0),
        (layers.AveragePooling2D(2), (8, 8, 4), 256),
    ],
)
def test_operations_are_counted_as_the_equations_have_them(layer, shape, flop):
    assert sum(row.flop for row in rows(keras.Sequential([keras.Input(shape), layer]))) == flop


def test_rows_come_after_what_they_take_from(standard):
    for models in ([standard.generator], [standard.projector, standard.discriminator], [branched()]):
        seen = []
        for row in rows(*models):
            assert all(source in seen for source in row.sources)
            seen.append(row)


def test_a_branched_model_with_a_model_used_twice():
    model = branched()
    assert titles(model)[-2:] == ["GlobalAveragePooling2D → Dense + sigmoid → Reshape → Multiply", "Flatten → Dense"]
    assert titles(model).count("Conv2D 3×3 → ReLU") == 1
    (section,) = diagram.read([model])
    assert section.parameters == model.count_params()


def test_a_model_that_is_no_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(NetworkError, match=r"must be Sequential or functional to be read. Received: Own"):
        diagram.read([Own()])


# -- places ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["standard", "branched"])
def drawing(request, standard):
    columns = [[standard.generator], [standard.projector, standard.discriminator]]
    return diagram.lay_out([diagram.read(m) for m in (columns if request.param == "standard" else [[branched()]])])


def test_everything_is_within_the_picture(drawing):
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            assert shape.x >= 0
            assert shape.x + shape.width <= drawing.width
            assert shape.y + shape.height <= drawing.height
        elif isinstance(shape, Line):
            assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in shape.points)
        else:
            left, right = _extent(shape)
            assert left >= 0, shape.words
            assert right <= drawing.width, shape.words


def test_words_do_not_run_into_each_other(drawing):
    words = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    for n, one in enumerate(words):
        for other in words[n + 1 :]:
            if abs(one.y - other.y) < min(one.size, other.size):
                (a, b), (c, d) = _extent(one), _extent(other)
                assert b <= c or d <= a, (one.words, other.words)


def test_lines_past_rows_never_share_a_lane_where_they_both_run(drawing):
    ways = [
        (line.points[1][0], line.points[1][1], line.points[2][1])
        for line in drawing.shapes
        if isinstance(line, Line) and len(line.points) == 4
    ]
    assert ways
    for n, (x, top, bottom) in enumerate(ways):
        for other_x, other_top, other_bottom in ways[n + 1 :]:
            same_source = other_top == top
            assert x != other_x or same_source or bottom <= other_top or other_bottom <= top


def _extent(text):
    width = layout.font(text.size, text.bold).getlength(text.words)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, left + width


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (640, "640"), (1000, "1 k"), (41_472, "41.5 k"), (2.4e6, "2.4 M"), (3.1e8, "310 M")]
)
def test_numbers_are_said_as_people_read_them(number, words):
    assert layout.count(number) == words


@pytest.mark.parametrize(("number", "words"), [(40, "40 B"), (10_044, "9.8 KiB"), (393_216, "0.38 MiB")])
def test_bytes_are_said_as_people_read_them(number, words):
    assert layout.size(number) == words


# -- drawn -----------------------------------------------------------------------------------------------------------


def test_the_svg_is_well_formed_and_follows_its_reader():
    text = diagram.draw([[tiny.generator()], [tiny.discriminator()]])
    root = ET.fromstring(text)
    said = [element.text for element in root.iter(f"{SVG}text")]
    assert "Generator" in said
    assert "Discriminator" in said
    assert "Flatten → Dense" in said
    assert "prefers-color-scheme:dark" in text
    assert themes.LIGHT["ink"] in text
    assert themes.DARK["ink"] in text
    used = {element.get("class") for element in root.iter() if element.get("class")}
    assert all(f".{name}{{fill:" in text for name in used), "each class has its colour"


def test_one_theme_alone():
    text = diagram.draw([[tiny.generator()]], theme="dark")
    assert "prefers-color-scheme" not in text
    assert themes.LIGHT["ground"] not in text


@pytest.mark.parametrize(("theme", "ground"), [("auto", "light"), ("light", "light"), ("dark", "dark")])
def test_the_picture_has_the_themes_ground_and_its_bars(theme, ground):
    sections = diagram.read([tiny.generator()])
    drawing = diagram.lay_out([sections])
    picture = png.render(drawing, theme)
    assert picture.size == (2 * drawing.width, 2 * drawing.height)
    colours = {f"#{bytes(colour).hex()}" for _, colour in picture.getcolors(2**24)}
    wanted = themes.palette(ground)
    assert {wanted[name] for name in ("ground", "ink", "dense", "memory", "flop")} <= colours
    assert picture.getpixel((1, 1)) == tuple(bytes.fromhex(wanted["ground"][1:]))


def test_pippin_draws_presets_models_and_runs(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    for drawn in (pippin.diagram(run), pippin.diagram(tmp_path / "run"), run.diagram()):
        assert drawn == pippin.diagram(run.network("generator"), run.network("discriminator"))
    assert "BatchNorm" in pippin.diagram("classic", image_size=16)
    assert pippin.diagram("classic", image_size=16, format="png").mode == "RGB"


@pytest.mark.parametrize(
    ("subjects", "options", "message"),
    [
        ((), {}, "Received: nothing"),
        (("modern",), {}, "Give a run, one of standard, classic, or Keras models. Received: modern"),
        (("classic",), {"theme": "blue"}, "theme must be one of auto, light, dark. Received: theme=blue"),
        (("classic",), {"format": "pdf"}, "format must be one of svg, png. Received: format=pdf"),
        (("classic",), {"image_size": 48}, "image_size=48"),
        (("classic",), {"image_size": 64.0}, "image_size must be a whole number. Received: image_size=64.0"),
        (("classic",), {"format": ["svg"]}, "format must be one of svg, png. Received: format=['svg']"),
        (([1, 2],), {}, "as separate arguments, such as diagram(generator, discriminator). Received: [1, 2] of type"),
        (({},), {}, "or Keras models. Received: {} of type dict"),
        ((None,), {}, "or Keras models. Received: None of type NoneType"),
        (("classic", 3), {}, "or Keras models. Received: classic, 3 of type int"),
    ],
)
def test_arguments_that_cannot_be_drawn_are_refused(subjects, options, message):
    with pytest.raises(SettingsError) as problem:
        pippin.diagram(*subjects, **options)
    assert message in str(problem.value)


def test_a_diagram_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(PippinError, match="The picture cannot be written"):
        diagram.save("<svg/>", tmp_path / "taken" / "a.svg")
