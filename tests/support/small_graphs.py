"""Graphs of a few nodes, written in ONNX's own text form."""

import onnx_ir as ir
from onnx import parser

# The published port's last steps in small: clip, candidates, NMS, rois with a column of zeros, pooling.
WHOLE = """g (float[1,8,4] im_data) => (float[1,5,5] rois, float[5,2,7,7] pooled)
<int64 first = {{0}}, int64[1] k = {{6}}, int64[4] four = {{1, 6, 1, 4}}, float low = {{0}}, float high = {{63}},
 int64[4] maps_shape = {{1, 98, 9, 9}}, float[1,5,1] none = {{0, 0, 0, 0, 0}}, {more}
 float[1,5,4] boxes, float[1,5] scores, float[1,5] classes, int32[1] count>
{{
  moved = Add (im_data, low)
  {clip}
  column = Gather <axis = 2> (im_data, first)
  best, order = TopK <axis = 1> (column, k)
  order_1d = Squeeze <axes = [0]> (order)
  candidates = Gather <axis = 1> (clipped, order_1d)
  by_four = Reshape (candidates, four)
  row = Unsqueeze <axes = [2]> (best)
  boxes, scores, classes, count = BatchMultiClassNMS
      <score_threshold = 0.0, iou_threshold = 0.7, max_size_per_class = 5, max_total_size = 5> (by_four, row)
  rois = Concat <axis = 2> (none, boxes)
  turned = Transpose <perm = [0, 2, 1]> (rois)
  maps = Expand (low, maps_shape)
  pooled = PSROIPooling
      <pooled_height = 7, pooled_width = 7, spatial_scale = 0.0625, group_size = 7, output_dim = 2> (maps, {rois})
}}"""
CLIP = "clipped = Clip (moved, low, high)"


def model_from(text: str, domain: str = '"" : 11') -> ir.Model:
    return ir.from_proto(parser.parse_model(f"<ir_version: 7, opset_import: [{domain}]>\n{text}"))


def whole(clip: str = CLIP, more: str = "", rois: str = "turned", swap: tuple[str, str] = ("", "")) -> ir.Model:
    text = WHOLE.format(clip=clip, more=more, rois=rois).replace(*swap)
    return model_from(text)
