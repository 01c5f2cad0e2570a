"""Diagrams: the rows describe the layers, and the layout has no overlaps."""

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
    """Return the rows of a chain of models."""
    return [row for section in diagram.read(list(models)) for row in section.rows]


def titles(*models):
    """Return the labels of each row of a chain of models."""
    return [" → ".join(row.labels) for row in rows(*models)]


@pytest.fixture(scope="module")
def standard():
    return networks.build("standard", 64, 64, features="efficientnet-lite0")


def branched():
    """Return a model with two branches that are merged twice, and an inner model that is used twice."""
    x = keras.Input((8, 8, 3), name="images")
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.ReLU()])
    y = layers.Conv2D(4, 1, activation="leaky_relu")(x)
    y = layers.Concatenate()([inner(y), inner(layers.Dropout(0.5)(y))])
    gate = layers.Dense(8, activation="sigmoid")(layers.GlobalAveragePooling2D()(y))
    y = layers.Multiply()([y, layers.Reshape((1, 1, 8))(gate)])
    return keras.Model(x, layers.Dense(1)(layers.Flatten()(y)), name="branched")


def test_a_sequential_model_is_grouped_into_rows():
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


def test_a_residual_block_has_two_rows_and_a_skip_connection():
    x = keras.Input((8, 8, 4), name="images")
    y = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(x))
    y = layers.Conv2D(4, 3, padding="same")(layers.ReLU()(y))
    model = keras.Model(x, layers.Add()([x, y]))
    start, first, second = rows(model)
    assert titles(model) == ["images", "ReLU → Conv2D 3×3", "ReLU → Conv2D 3×3 → Add"]
    assert first.sources == [start]
    assert sorted(map(id, second.sources)) == sorted(map(id, [first, start]))


def test_a_frozen_model_is_one_row(standard):
    read = diagram.read([standard.projector, standard.discriminator])
    assert [section.name for section in read] == ["projector", "discriminator"]
    assert [section.frozen for section in read] == [True, False]
    (features,) = [row for row in read[0].rows if row.kind == "model"]
    assert features.labels == ["efficientnet-lite0, frozen"]
    assert features.shapes == [(32, 32, 24), (16, 16, 40), (8, 8, 112), (4, 4, 320)]
    assert features.frozen
    entries = [row for row in read[1].rows if any(source in read[0].rows for source in row.sources)]
    assert len(entries) == 5, "one head for each feature map"
    groups = [row for row in read[1].rows if row.labels[0].startswith("group")]
    assert len(groups) == 3, "the statistics of three maps, which come from no row"


@pytest.mark.parametrize("model", ["generator", "discriminator", "projector"])
def test_the_rows_contain_all_parameters_and_memory(standard, model):
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
def test_operations_are_multiplications_and_additions(layer, shape, flop):
    assert sum(row.flop for row in rows(keras.Sequential([keras.Input(shape), layer]))) == flop


def test_rows_are_in_topological_order(standard):
    for models in ([standard.generator], [standard.projector, standard.discriminator], [branched()]):
        earlier = []
        for row in rows(*models):
            assert all(source in earlier for source in row.sources)
            earlier.append(row)


def test_an_inner_model_that_is_used_twice_counts_once():
    model = branched()
    assert titles(model)[-2:] == ["GlobalAveragePooling2D → Dense + sigmoid → Reshape → Multiply", "Flatten → Dense"]
    assert titles(model).count("Conv2D 3×3 → ReLU") == 1
    (section,) = diagram.read([model])
    assert section.parameters == model.count_params()


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(NetworkError, match=r"must be Sequential or functional to be read. Received: Own"):
        diagram.read([Own()])


# -- layout ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["standard", "branched"])
def drawing(request, standard):
    columns = [[standard.generator], [standard.projector, standard.discriminator]]
    return diagram.lay_out([diagram.read(m) for m in (columns if request.param == "standard" else [[branched()]])])


def test_all_shapes_are_within_the_drawing(drawing):
    for shape in drawing.shapes:
        if isinstance(shape, Box):
            assert shape.x >= 0
            assert shape.x + shape.width <= drawing.width
            assert shape.y + shape.height <= drawing.height
        elif isinstance(shape, Line):
            assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in shape.points)
        else:
            left, right = _extent(shape)
            assert left >= 0, shape.content
            assert right <= drawing.width, shape.content


def test_texts_do_not_overlap(drawing):
    texts = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    for n, one in enumerate(texts):
        for other in texts[n + 1 :]:
            if abs(one.y - other.y) < min(one.size, other.size):
                (a, b), (c, d) = _extent(one), _extent(other)
                assert b <= c or d <= a, (one.content, other.content)


def test_skip_connections_do_not_overlap(drawing):
    connections = [
        (line.points[1][0], line.points[1][1], line.points[2][1])
        for line in drawing.shapes
        if isinstance(line, Line) and len(line.points) == 4
    ]
    assert connections
    for n, (x, top, bottom) in enumerate(connections):
        for other_x, other_top, other_bottom in connections[n + 1 :]:
            same_source = other_top == top
            assert x != other_x or same_source or bottom <= other_top or other_bottom <= top


def _extent(text):
    """Return the left and the right edge of a text, in pixels."""
    width = layout.font(text.size, text.bold).getlength(text.content)
    left = text.x - {"start": 0, "middle": width / 2, "end": width}[text.anchor]
    return left, left + width


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (640, "640"), (1000, "1 k"), (41_472, "41.5 k"), (2.4e6, "2.4 M"), (3.1e8, "310 M")]
)
def test_numbers_have_si_prefixes(number, text):
    assert layout.count(number) == text


@pytest.mark.parametrize(("number", "text"), [(40, "40 B"), (10_044, "9.8 KiB"), (393_216, "0.38 MiB")])
def test_bytes_have_binary_prefixes(number, text):
    assert layout.size(number) == text


# -- rendering -------------------------------------------------------------------------------------------------------


def test_the_svg_is_well_formed_and_follows_its_viewer():
    text = diagram.draw([[tiny.generator()], [tiny.discriminator()]])
    root = ET.fromstring(text)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "Generator" in texts
    assert "Discriminator" in texts
    assert "Flatten → Dense" in texts
    assert "prefers-color-scheme:dark" in text
    assert themes.LIGHT["text"] in text
    assert themes.DARK["text"] in text
    used = {element.get("class") for element in root.iter() if element.get("class")}
    assert all(f".{name}{{fill:" in text for name in used), "each class has a colour"


def test_a_fixed_theme_has_no_other_colours():
    text = diagram.draw([[tiny.generator()]], theme="dark")
    assert "prefers-color-scheme" not in text
    assert themes.LIGHT["background"] not in text


@pytest.mark.parametrize(("theme", "colours"), [("auto", "light"), ("light", "light"), ("dark", "dark")])
def test_the_png_has_the_colours_of_its_theme(theme, colours):
    sections = diagram.read([tiny.generator()])
    drawing = diagram.lay_out([sections])
    picture = png.render(drawing, theme)
    assert picture.size == (2 * drawing.width, 2 * drawing.height)
    found = {f"#{bytes(colour).hex()}" for _, colour in picture.getcolors(2**24)}
    expected = themes.palette(colours)
    assert {expected[name] for name in ("background", "text", "dense", "memory", "flop")} <= found
    assert picture.getpixel((1, 1)) == tuple(bytes.fromhex(expected["background"][1:]))


def test_presets_models_and_runs_can_be_drawn(tmp_path):
    run = tiny.train(tmp_path / "run", batches=2)
    for drawn in (pippin.diagram(run), pippin.diagram(tmp_path / "run"), run.diagram()):
        assert drawn == pippin.diagram(run.folder.build_network("generator"), run.folder.build_network("discriminator"))
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


def test_a_failed_write_is_reported(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(PippinError, match="The picture cannot be written"):
        diagram.save("<svg/>", tmp_path / "taken" / "a.svg")
