"""Every network, small, learns four generated crops by heart with the loss it is meant for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from cleanplate.training import losses, networks  # noqa: E402

SIDE = 64
WIDTHS = {"nafnet": 8, "deepfill-v2": 16, "deepfill-v2-twin": 8, "hrnet": 0.5, "u2net-p": 0.5}
LOSSES = {
    "eraser": "watermark",
    "restorer": {"charbonnier": 1.0},
    "filler": {"l1_inside": 1.0},
    "locator": {"bce_dice": 1.0},
}
STEPS = {"discriminator": 60, "locator": 60}
SHARE = {"discriminator": 0.3, "locator": 0.5, "eraser": 0.5, "restorer": 0.5, "filler": 0.6}


def crops(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Clean crops (count, 3, SIDE, SIDE), marked ones, and the masks of a half-transparent disc."""
    chance = torch.Generator().manual_seed(5)
    y, x = torch.meshgrid(torch.linspace(0, 1, SIDE), torch.linspace(0, 1, SIDE), indexing="ij")
    turn = 6 * torch.rand(count, 3, 2, 1, 1, generator=chance)
    clean = 0.5 + 0.3 * torch.sin(turn[:, :, 0] * x + turn[:, :, 1] * y)
    centre = 0.3 + 0.4 * torch.rand(count, 2, 1, 1, 1, generator=chance)
    mask = ((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < 0.05).float()
    return clean, clean * (1 - 0.6 * mask) + 0.6 * mask, mask


def loss_of(name: str, network: torch.nn.Module) -> torch.Tensor:
    """One step's loss on the four crops."""
    card = networks.card(name)
    clean, marked, mask = crops(4)
    if card.role == "discriminator":
        scores = [network(torch.cat([x, mask], 1))["score"] for x in (clean, marked)]
        return losses.hinge_discriminator(*scores)
    planes = marked if card.planes == 3 else torch.cat([marked, mask], 1)
    picture = clean
    if card.role == "restorer" and card.planes == 4:
        picture = torch.cat([clean, mask], 1)
    outputs = network(planes)
    if "fill" in outputs:
        outputs["picture"] = outputs["fill"]
    weights = {"deep_bce": 1.0} if name.startswith("u2net") else LOSSES[card.role]
    return losses.Composed(weights)(outputs, {"picture": picture, "mask": mask})[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", networks.names())
def test_four_crops_by_heart(name: str) -> None:
    torch.manual_seed(0)
    role = networks.card(name).role
    known = sorted((key for key in WIDTHS if name.startswith(key)), key=len)
    network = networks.create(name, width=WIDTHS[known[-1]] if known else 0.125).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    curve = []
    for _ in range(STEPS.get(role, 120)):
        optimiser.zero_grad()
        loss = loss_of(name, network)
        loss.backward()
        optimiser.step()
        curve.append(loss.item())
    assert sum(curve[-5:]) / 5 < SHARE[role] * curve[0], (curve[0], curve[-5:])
