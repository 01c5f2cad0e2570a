"""The classes and functions of Keras, and the one layer of Pippin, that a network in a run may name.

Keras' safe mode refuses code of the file, but it builds every public class and calls every public function of Keras
that the file names, and some of these write files, download, or change global state. So only what computes images from
images is listed here, by the module and the name that Keras writes into the JSON of a model.
"""

from collections.abc import Mapping

_DIMENSIONS = ("1D", "2D", "3D")

_CONVOLUTIONS = """
    Conv{} Conv{}Transpose Cropping{} ZeroPadding{} UpSampling{} SpatialDropout{} ConvLSTM{}
    AveragePooling{} MaxPooling{} GlobalAveragePooling{} GlobalMaxPooling{}
    AdaptiveAveragePooling{} AdaptiveMaxPooling{}
"""

_LAYERS = """
    InputLayer Identity Dense EinsumDense Embedding Masking
    Activation ELU LeakyReLU PReLU ReLU Softmax
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract
    BatchNormalization GroupNormalization LayerNormalization RMSNormalization SpectralNormalization UnitNormalization
    ActivityRegularization AlphaDropout Dropout GaussianDropout GaussianNoise
    Flatten Permute RepeatVector Reshape
    Bidirectional GRU LSTM SimpleRNN TimeDistributed
    CenterCrop Normalization Rescaling Resizing
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomErasing RandomFlip
    RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
    RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
"""
"""Not here, because of what they do: `Lambda` calls any function of Keras; `TFSMLayer`, `TorchModuleWrapper`,
`JaxLayer` and `FlaxLayer` load or run other code; lookups of text read files."""

_NUMPY_OPERATIONS = """
    Abs Absolute Add Amax Amin Append Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Average
    BroadcastTo Cbrt Ceil Clip Concatenate Copy Cos Cosh Cross Cumprod Cumsum Diagonal Diff Divide DivideNoNan Dot
    Einsum Equal Exp Exp2 ExpandDims Expm1 Flip Fliplr Flipud Floor FloorDivide FullLike GetItem Greater GreaterEqual
    Heaviside Hstack Hypot Isfinite Isinf Isnan Less LessEqual Log Log10 Log1p Log2 Logaddexp LogicalAnd LogicalNot
    LogicalOr LogicalXor Matmul Max Maximum Mean Median Min Minimum Mod Moveaxis Multiply NanToNum Negative NotEqual
    OnesLike Outer Pad Power Prod Reciprocal Repeat Reshape Roll Rot90 Round Sign Sin Sinh Sort Split Sqrt Square
    Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Transpose Tril Triu TrueDivide
    Trunc Var Vdot Vstack Where ZerosLike
"""

_NN_OPERATIONS = """
    AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm Celu Conv ConvTranspose DepthToSpace DepthwiseConv
    DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid
    LogSoftmax MaxPool Moments Normalize OneHot RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax
    Softplus Softsign SpaceToDepth Sparsemax SparsePlus SparseSigmoid Squareplus TanhShrink Threshold Unfold
"""

_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""

PIPPIN_LAYERS = "pippin.networks.layers"
"""The module of Pippin's own layers. Keras registers them in the package `pippin`."""

CLASSES: Mapping[str, frozenset[str]] = {
    "keras": frozenset({"Sequential", "DTypePolicy"}),
    "keras.models": frozenset({"Sequential"}),
    "keras.dtype_policies": frozenset({"DTypePolicy"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.models.sequential": frozenset({"Sequential"}),
    "keras.layers": frozenset([*_LAYERS.split(), *(n.format(d) for n in _CONVOLUTIONS.split() for d in _DIMENSIONS)]),
    PIPPIN_LAYERS: frozenset({"LocallyConnected2D"}),
    "keras.initializers": frozenset(_INITIALIZERS.split()),
    "keras.regularizers": frozenset({"L1", "L1L2", "L2", "OrthogonalRegularizer"}),
    "keras.constraints": frozenset({"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}),
    "keras.src.ops.numpy": frozenset(_NUMPY_OPERATIONS.split()),
    "keras.src.ops.nn": frozenset(_NN_OPERATIONS.split()),
    "keras.src.ops.core": frozenset({"Cast", "SaturateCast", "Slice", "StopGradient", "Unstack"}),
    "keras.src.ops.image": frozenset({"CropImages", "ExtractPatches", "GaussianBlur", "PadImages", "Resize"}),
    "keras.src.ops.math": frozenset({"Erf", "FFT2", "IFFT2", "Logsumexp", "Rsqrt"}),
}
"""Module → names of its classes."""

MODELS = frozenset({"Functional", "Sequential"})
"""Names of the classes of `CLASSES` that are whole models."""

_ACTIVATIONS = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink threshold
"""

ACTIVATIONS = frozenset(_ACTIVATIONS.split())
"""Names of activation functions."""

FUNCTION_MODULES = frozenset({"builtins", "keras.activations", "keras.ops", "keras.ops.nn"})
"""The modules from which a function in `ACTIVATIONS` may come."""

_DTYPES = """
    bool float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 mixed_float16 mixed_bfloat16
"""

DTYPES = frozenset(_DTYPES.split())
"""Names of data types and of data type policies; quantised policies are not here."""
