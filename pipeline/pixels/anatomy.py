"""Whether the joints of a pose can be a body's: a picture drawn on others shows a dwarf or a giant's arm."""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.pixels.pose import (
    ARMS,
    CROWN_TO_HIPS,
    CROWN_TO_NECK_BASE,
    LEGS,
    NECK_BASE_TO_SHOULDERS,
    Joints,
)

LONGEST: Final = {"upper arm": 0.95, "forearm": 0.90, "thigh": 1.35, "lower leg": 1.30}
"""Longest that a limb may be, in lengths of the trunk; there is no shortest: a limb may point at the camera."""
TRUNK: Final = CROWN_TO_HIPS - CROWN_TO_NECK_BASE - NECK_BASE_TO_SHOULDERS
"""From the shoulders' line to the hips', in heights of the body."""
FACE: Final = {0: (0.0, 0.13), 14: (-0.0175, 0.146), 15: (0.0175, 0.146), 16: (-0.042, 0.138), 17: (0.042, 0.138)}
"""Nose, eyes and ears: how far out to the picture's right and above the shoulders' line, in heights of the body."""
HEAD: Final = (0.25, 0.85)
"""Height of the nose above the shoulders' line, in lengths of the trunk."""
SHOULDERS: Final = (0.20, 1.0)
"""Their width in lengths of the trunk: people in photographs have 0.4 to 0.9."""


def head_height(joints: Joints) -> float | None:
    """How far the nose lies above the shoulders along the trunk, in its lengths; None where one of them is not seen."""
    if not joints[[0, 2, 5, 8, 11], 2].all():
        return None
    at = joints[:, :2].astype(np.float64)
    shoulders = (at[2] + at[5]) / 2
    down = (at[8] + at[11]) / 2 - shoulders
    return float((shoulders - at[0]) @ down / max(float(down @ down), 1.0))


def with_a_head(joints: Joints) -> Joints:
    """The joints (18, 3) with nose, eyes and ears where a body holds them, where the nose can be no head's.

    An estimator sets the face of a headless figure on its chest or its neck. The trunk's length says how large a head
    is and its direction where; as they are where that is not seen.
    """
    height = head_height(joints)
    if height is None or HEAD[0] <= height <= HEAD[1]:
        return joints
    result = joints.copy()
    shoulders, hips = (joints[[2, 5], :2].mean(axis=0), joints[[8, 11], :2].mean(axis=0))
    up = (shoulders - hips) / TRUNK
    across = np.array([-up[1], up[0]], np.float32)
    for joint, (out, above) in FACE.items():
        result[joint] = (*(shoulders + up * above + across * out), 1)
    return result


def implausible(joints: Joints) -> tuple[str, ...]:
    """What no body has, in words, of joints (18, 3) in OpenPose's order; empty where all is possible.

    Only joints that are seen count, and nothing is told without both shoulders and both hips. Limits are those of
    adults (Drillis and Contini 1966) with room for perspective and for clothes that hide joints.
    """
    if not joints[[2, 5, 8, 11], 2].all():
        return ()
    at = joints[:, :2].astype(np.float64)
    shoulders, hips = (at[2] + at[5]) / 2, (at[8] + at[11]) / 2
    down = hips - shoulders
    trunk = float(np.hypot(*down))
    if trunk < 1:
        return ("shoulders and hips lie in one place",)
    said: list[str] = []
    width = float(np.hypot(*(at[2] - at[5]))) / trunk
    if not SHOULDERS[0] <= width <= SHOULDERS[1]:
        said.append(f"shoulders are {width:.2f} of the trunk wide")
    height = head_height(joints)
    if height is not None and not HEAD[0] <= height <= HEAD[1]:
        said.append(f"the head lies {height:.2f} of the trunk above the shoulders")
    for names, limbs in ((("upper arm", "forearm"), ARMS), (("thigh", "lower leg"), LEGS)):
        for chain in limbs:
            for name, start, stop in zip(names, chain, chain[1:], strict=False):
                if joints[[start, stop], 2].all():
                    length = float(np.hypot(*(at[stop] - at[start]))) / trunk
                    if length > LONGEST[name]:
                        said.append(f"a {name} is {length:.2f} of the trunk long")
    return tuple(said)
