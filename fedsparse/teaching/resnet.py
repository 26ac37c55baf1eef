"""ResNet-20 of the CIFAR papers (He et al., CVPR 2016), with group normalization: a network of one's own to be masked.

    python -m fedsparse dataset=cifar10 model=fedsparse.teaching.resnet:resnet20_quarter init=fedpm

Batch normalization keeps running statistics of the data, which no client may send; group normalization (Wu and He, ECCV
2018) has none. Its scales and shifts are frozen at 1 and 0, as all normalization in masked networks.
"""

from torch import Tensor, nn

GROUPS = 4


class Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut; where the shape changes, the shortcut is a 1×1 convolution.

    Args:
        inputs, outputs: channels; the block halves height and width where they differ.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.inner = nn.Sequential(
            *_normalized(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)),
            nn.ReLU(),
            *_normalized(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)),
        )
        narrower = _normalized(nn.Conv2d(inputs, outputs, 1, stride, bias=False))
        self.shortcut = nn.Identity() if stride == 1 else nn.Sequential(*narrower)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, outputs, height / stride, width / stride)."""
        return nn.functional.relu(self.shortcut(x) + self.inner(x))


def resnet20(shape: tuple[int, int, int], classes: int, channels: int = 16) -> nn.Module:
    """ResNet-20 for images of a shape (channels, height, width): three stages of three blocks, each twice as wide."""
    blocks, before = [], channels
    for width in (channels, 2 * channels, 4 * channels):
        for _ in range(3):
            blocks.append(Block(before, width))
            before = width
    first = _normalized(nn.Conv2d(shape[0], channels, 3, padding=1, bias=False))
    last = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * channels, classes)
    return nn.Sequential(*first, nn.ReLU(), *blocks, *last)


def resnet20_quarter(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """ResNet-20 at a quarter of its width: 4, 8 and 16 channels."""
    return resnet20(shape, classes, channels=4)


def _normalized(convolution: nn.Conv2d) -> tuple[nn.Conv2d, nn.GroupNorm]:
    return convolution, nn.GroupNorm(GROUPS, convolution.out_channels)
