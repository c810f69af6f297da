"""Facts that others fixed: the data set, the protocol, the vendor's graph, the network. Each fact is here once, with its source.

Numbers that differ between ports of R-FCN (canvas, means, anchors, thresholds, criteria) are in the port's own TOML file;
`rfcn_lib.port` reads it.
"""

from typing import Final

# -- the data set: PASCAL VOC2007 development kit --------------------------------------------------------------------
VOC_CLASSES: Final = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # VOCcode/VOCinit.m; background is index 0 of the network's scores, so aeroplane is column 1  # fmt: skip
VOC_YEAR_FOLDER: Final = "VOC2007"
VOC_TEST_COUNT: Final = 4952  # ImageSets/Main/test.txt
# Of its ids and of its 14,976 objects (class, corners, difficult); `pictures.fixed_set` says how, so that anyone can repeat it.
VOC_TEST_IDS_SHA256: Final = "46f3424f5769b4b9032673364380b6652346ab4d2fa66390cb75adf9d0f95afa"
VOC_TEST_OBJECTS_SHA256: Final = "590ca618dae8905e33e6b2f042ab1ba9604c53e0521ac11c30a7aa57033cb5a2"

# -- the protocol of the score: VOCcode/VOCevaldet.m and its Python port, which gave the published number --------------
MATCH_IOU: Final = 0.5  # a detection is right if its IoU with an object without a match is larger than this
RECALL_MARKS: Final = 11  # arange(0, 1.1, 0.1): in float64 three marks are slightly above the decimal; keep that
RESULT_FILE: Final = "comp4_det_test_{name}.txt"  # one file per class, with lines `id score x1 y1 x2 y2`

# -- the graph: what the published port exports and ATC's parser reads -----------------------------------------------
OPSET: Final = 11  # rfcn_pth2onnx.py; inside the range of every CANN release (ATC guide, v9-v13 up to v18)
INPUT: Final = "im_data"
OUTPUTS: Final = ("rois", "cls_prob", "bbox_pred")  # in the order of the compiled model's outputs
NMS_OPERATOR: Final = "BatchMultiClassNMS"  # ONNX plugin keys ai.onnx::8..16
POOL_OPERATOR: Final = "PSROIPooling"  # ONNX plugin keys ai.onnx::8..16, rois as [batch, 5, count]
VENDOR_ATTRIBUTES: Final = {  # the parser drops an attribute of another type, without a message
    NMS_OPERATOR: {"score_threshold": "FLOAT", "iou_threshold": "FLOAT", "max_size_per_class": "INT", "max_total_size": "INT"},
    POOL_OPERATOR: {
        "pooled_height": "INT", "pooled_width": "INT", "spatial_scale": "FLOAT", "group_size": "INT", "output_dim": "INT",
    },
}  # fmt: skip
INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1

# -- the dumps: what the published inference tool writes, `<id>_<k>.bin`, k from 1 in output order, float32 ----------
DUMP_FIRST_INDEX: Final = 1

# -- the network: He et al. 2015 (Caffe arrangement), Dai et al. 2016 -------------------------------------------------
BLOCKS_PER_LAYER: Final = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
BATCH_NORM_EPS: Final = 1e-5
EXPANSION: Final = 4  # a bottleneck's output is four times as wide as its 3x3 convolution
FEATURE_STRIDE: Final = 16  # px of the net picture per cell of layer3 and of the score maps
GROUP: Final = 7  # k of the k x k position-sensitive maps
