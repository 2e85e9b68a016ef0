"""Compute inverses without a matrix inverse, in operators that fold to constants once bound."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse_affine(matrix: Tensor) -> Tensor:
    """Inverts (..., 4, 4) with last row 0 0 0 1, in float64; returns float32."""
    rows = matrix.double()
    linear = inverse_3x3(rows[..., :3, :3])
    shift = -(linear @ rows[..., :3, 3:])  # (..., 3, 1)
    return torch.cat((torch.cat((linear, shift), dim=-1), rows[..., 3:, :]), dim=-2).float()


def inverse_3x3(matrix: Tensor) -> Tensor:
    """Inverts (..., 3, 3) by the cross products of its rows, in its own type."""
    first, second, third = matrix.unbind(-2)
    columns = (_cross(second, third), _cross(third, first), _cross(first, second))
    determinant = (first * columns[0]).sum(-1)[..., None, None]
    return torch.stack(columns, dim=-1) / determinant


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Returns the cross product of (..., 3) and (..., 3)."""
    (ax, ay, az), (bx, by, bz) = a.unbind(-1), b.unbind(-1)
    return torch.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), dim=-1)
