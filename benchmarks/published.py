"""The published pipeline's own way of each stage, written plainly: the thing to beat.

What is done follows rfcn_preprocess.py and rfcn_postprocess.py of the published port (ModelZoo-PyTorch) and voc_eval.py and
pascal_voc.py of its source, RFCN-pytorch.1.0. Left out, in that way's favour: everything printed, and the pickle files.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rfcn_lib import spec
from rfcn_lib.pictures.preprocess import picture_record
from rfcn_lib.port import PictureRules, Port
from rfcn_lib.records import Floats, Picture
from rfcn_lib.score.dumps import file_names, shapes

Nms = Callable[[Tensor, Tensor, float], Tensor]  # (N, 4), (N,) best first, limit -> kept rows
ClassDetections = list[Floats]  # per class (N, 5): x1 y1 x2 y2 score, picture frame


# -- pictures to bins --------------------------------------------------------------------------------------------------


def resized(path: Path, pictures: PictureRules) -> tuple[NDArray[np.float32], float]:
    """Decode (imageio's imread is Pillow), BGR, float32, minus means, resize: (H, W, 3), scale. `get_jpg_info`."""
    with Image.open(path) as picture:
        im = np.asarray(picture)
    if im.ndim == 2:
        im = np.concatenate([im[:, :, None]] * 3, axis=2)
    im = im[:, :, ::-1].astype(np.float32)
    im -= np.array([[pictures.means_bgr]])
    scale = float(pictures.short_side_px) / float(min(im.shape[:2]))
    return cv2.resize(im, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR), scale  # type: ignore[return-value]


def padded(path: Path, pictures: PictureRules) -> NDArray[np.float32]:
    """(1, 3, canvas height, canvas width): blob, permute, F.pad, and one more copy. `get_bin`."""
    im, _ = resized(path, pictures)
    blob = np.zeros((1, *im.shape), np.float32)
    blob[0] = im
    data = torch.from_numpy(blob).permute(0, 3, 1, 2)
    width, height = pictures.canvas_wh_px
    data = torch.nn.functional.pad(data, [0, width - data.shape[-1], 0, height - data.shape[-2]])
    im_data = torch.empty(data.shape).copy_(data)
    return im_data.numpy()


def write_bin(path: Path, pictures: PictureRules, target: Path) -> None:
    """The bin of one picture, 21.7 MB at the published canvas."""
    padded(path, pictures).tofile(target)


# -- dumps to detections -----------------------------------------------------------------------------------------------


def detections(jpeg: Path, dumps: Path, id: str, port: Port, nms: Nms) -> ClassDetections:
    """One picture's dump to at most 100 detections: rfcn_postprocess.py.

    Its data loader decodes and resizes the JPEG once more, of which only im_info is used.
    """
    rules, columns = port.detections, len(port.classes) + 1
    im, scale = resized(jpeg, port.pictures)
    read = [
        torch.from_numpy(np.fromfile(dumps / name, np.float32).reshape(1, *shape))
        for name, shape in zip(file_names(id), shapes(port), strict=True)
    ]
    rois, scores, bbox_pred = read[0][:, :, 1:], read[1], read[2]
    deltas = (bbox_pred.view(-1, 4) * torch.tensor(rules.delta_stds)).view(1, -1, 4 * columns)
    pred_boxes = _decoded(rois, deltas)
    pred_boxes[:, :, 0::2] = pred_boxes[:, :, 0::2].clamp(0, im.shape[1] - 1)
    pred_boxes[:, :, 1::2] = pred_boxes[:, :, 1::2].clamp(0, im.shape[0] - 1)
    pred_boxes /= scale
    scores, pred_boxes = scores.squeeze(0), pred_boxes.squeeze(0)
    found: ClassDetections = []
    for j in range(1, columns):
        inds = torch.nonzero(scores[:, j] > rules.score_above).view(-1)
        if not inds.numel():
            found.append(np.zeros((0, 5), np.float32))
            continue
        cls_scores = scores[:, j][inds]
        _, order = torch.sort(cls_scores, 0, True)
        cls_boxes = pred_boxes[inds][:, j * 4 : (j + 1) * 4]
        cls_dets = torch.cat((cls_boxes, cls_scores.unsqueeze(1)), 1)[order]
        keep = nms(cls_boxes[order, :], cls_scores[order], rules.nms_iou)
        found.append(cls_dets[keep.view(-1).long()].numpy())
    every = np.hstack([of_class[:, -1] for of_class in found])
    if len(every) > rules.per_picture:
        least = np.sort(every)[-rules.per_picture]
        found = [of_class[of_class[:, -1] >= least] for of_class in found]
    return found


def _decoded(boxes: Tensor, deltas: Tensor) -> Tensor:
    """bbox_transform_inv: (1, N, 4), (1, N, 4 * C), "+1" widths."""
    widths, heights = boxes[:, :, 2] - boxes[:, :, 0] + 1, boxes[:, :, 3] - boxes[:, :, 1] + 1
    ctr_x, ctr_y = boxes[:, :, 0] + 0.5 * widths, boxes[:, :, 1] + 0.5 * heights
    pred_ctr_x = deltas[:, :, 0::4] * widths.unsqueeze(2) + ctr_x.unsqueeze(2)
    pred_ctr_y = deltas[:, :, 1::4] * heights.unsqueeze(2) + ctr_y.unsqueeze(2)
    pred_w = torch.exp(deltas[:, :, 2::4]) * widths.unsqueeze(2)
    pred_h = torch.exp(deltas[:, :, 3::4]) * heights.unsqueeze(2)
    pred = deltas.clone()
    pred[:, :, 0::4], pred[:, :, 1::4] = pred_ctr_x - 0.5 * pred_w, pred_ctr_y - 0.5 * pred_h
    pred[:, :, 2::4], pred[:, :, 3::4] = pred_ctr_x + 0.5 * pred_w, pred_ctr_y + 0.5 * pred_h
    return pred


def nms_loop(boxes: Tensor, scores: Tensor, limit: float) -> Tensor:
    """Box by box in Python, as nms_cpu.py does it. `scores` are there for the compiled ones."""
    del scores
    dets = boxes.numpy()
    x1, y1, x2, y2 = dets.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    order, keep = np.arange(len(dets)), []
    while order.size:
        i = order[0]
        keep.append(i)
        w = np.maximum(np.float32(0), np.minimum(x2[i], x2[order[1:]]) - np.maximum(x1[i], x1[order[1:]]) + 1)
        h = np.maximum(np.float32(0), np.minimum(y2[i], y2[order[1:]]) - np.maximum(y1[i], y1[order[1:]]) + 1)
        inter = w * h
        overlap = inter / (areas[i] + areas[order[1:]] - inter)
        order = order[1:][overlap <= limit]
    return torch.tensor(np.array(keep))


def nms_compiled(boxes: Tensor, scores: Tensor, limit: float) -> Tensor:
    """A compiled loop over pairs: OpenCV's, in the place of the extension a user of the port has to build.

    x, y, width, height with "+1" widths, so that its IoU is theirs (in double: it may differ at the limit's last digit).
    """
    dets = boxes.numpy()
    rects = np.concatenate([dets[:, :2], dets[:, 2:] - dets[:, :2] + 1], axis=1).astype(np.float64)
    kept = cv2.dnn.NMSBoxes(rects, scores.numpy(), 0.0, limit)  # type: ignore[arg-type]
    return torch.as_tensor(np.asarray(kept).reshape(-1), dtype=torch.int64)


# -- detections to average precision -----------------------------------------------------------------------------------


def annotations(folder: Path, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Every XML parsed once (parse_rec); as published they are then cached for the other classes."""
    recs: dict[str, list[dict[str, Any]]] = {}
    for id in ids:
        recs[id] = []
        for element in ET.parse(folder / f"{id}.xml").findall("object"):
            box = element.find("bndbox")
            corners = [int(box.find(key).text) for key in ("xmin", "ymin", "xmax", "ymax")]  # type: ignore[union-attr, arg-type]
            difficult = int(element.find("difficult").text)  # type: ignore[union-attr, arg-type]
            recs[id].append({"name": element.find("name").text, "difficult": difficult, "bbox": corners})  # type: ignore[union-attr]
    return recs


def voc_eval(recs: Mapping[str, list[dict[str, Any]]], lines: Sequence[str], classname: str) -> float:
    """AP of one class, 11 marks: voc_eval.py on the lines of a result file, `id score x1 y1 x2 y2`, one-based corners.

    One thing is not as published: the sort of the scores is stable, so that ties have one order.
    """
    splitlines = [line.strip().split(" ") for line in lines]
    confidence = np.array([float(words[1]) for words in splitlines])
    corners = np.array([[float(word) for word in words[2:]] for words in splitlines])
    return loop([words[0] for words in splitlines], confidence, corners, recs, classname)


def loop(
    image_ids: Sequence[str],
    confidence: Floats,
    corners: Floats,
    recs: Mapping[str, list[dict[str, Any]]],
    classname: str,
) -> float:
    """The evaluator's own loop over the detections of one class, and its AP."""
    class_recs: dict[str, dict[str, Any]] = {}
    npos = 0
    for id, objects in recs.items():
        mine = [one for one in objects if one["name"] == classname]
        difficult = np.array([one["difficult"] for one in mine], bool)
        npos += int(np.sum(~difficult))
        class_recs[id] = {
            "bbox": np.array([o["bbox"] for o in mine]),
            "difficult": difficult,
            "det": [False] * len(mine),
        }
    sorted_ind = np.argsort(-confidence, kind="stable")
    sorted_corners = corners[sorted_ind]
    sorted_ids = [image_ids[x] for x in sorted_ind]
    count = len(sorted_ids)
    tp, fp = np.zeros(count), np.zeros(count)
    for d in range(count):
        rec = class_recs[sorted_ids[d]]
        bb = sorted_corners[d].astype(float)
        ovmax = -np.inf
        bbgt = rec["bbox"].astype(float)
        if bbgt.size > 0:
            ixmin, iymin = np.maximum(bbgt[:, 0], bb[0]), np.maximum(bbgt[:, 1], bb[1])
            ixmax, iymax = np.minimum(bbgt[:, 2], bb[2]), np.minimum(bbgt[:, 3], bb[3])
            inters = np.maximum(ixmax - ixmin + 1.0, 0.0) * np.maximum(iymax - iymin + 1.0, 0.0)
            both = (bb[2] - bb[0] + 1.0) * (bb[3] - bb[1] + 1.0)
            uni = both + (bbgt[:, 2] - bbgt[:, 0] + 1.0) * (bbgt[:, 3] - bbgt[:, 1] + 1.0) - inters
            overlaps = inters / uni
            ovmax, jmax = np.max(overlaps), np.argmax(overlaps)
        if ovmax > spec.MATCH_IOU:
            if not rec["difficult"][jmax]:
                if not rec["det"][jmax]:
                    tp[d] = 1.0
                    rec["det"][jmax] = True
                else:
                    fp[d] = 1.0
        else:
            fp[d] = 1.0
    fp, tp = np.cumsum(fp), np.cumsum(tp)
    rec_all = tp / float(npos)
    prec = tp / np.maximum(tp + fp, np.finfo(np.float64).eps)
    ap = 0.0
    for t in np.arange(0.0, 1.1, 0.1):
        p = 0.0 if np.sum(rec_all >= t) == 0 else float(np.max(prec[rec_all >= t]))
        ap += p / 11.0
    return ap


def record(path: Path, id: str, port: Port) -> Picture:
    """What both sides know of a JPEG: its size, from its header."""
    with Image.open(path) as picture:
        return picture_record(id, picture.size, port.pictures)
