"""What does the paper say? Its own figures: accuracies as fractions, and None where it gives none."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Within:
    """A column of Table 1: validation accuracy of the adversary of training, of the fresh attacker, and its
    test accuracy.
    """

    within: float
    validation: float
    test: float


# By objective, then direction: (hidden, kept), where a is army base and b airport terminal.
TABLE1: dict[str, dict[str, Within]] = {
    "gan": {"-a +b": Within(0.511, 0.839, 0.843), "-b +a": Within(0.501, 0.844, 0.845)},
    "label-flip": {"-a +b": Within(0.521, 0.642, 0.653), "-b +a": Within(0.536, 0.739, 0.735)},
}

# Columns a to h: army base, airport terminal, airfield, arch, alley, hockey arena, amphitheater, auto
# showroom.
TABLE2: dict[str, tuple[float, ...]] = {
    "identity": (0.983, 0.967, 0.982, 0.942, 0.969, 0.995, 0.951, 0.958),
    "blur": (0.914, 0.869, 0.951, 0.782, 0.881, 0.966, 0.843, 0.898),
    "-a": (0.754, 0.761, 0.896, 0.678, 0.781, 0.919, 0.803, 0.827),
    "-b": (0.796, 0.750, 0.891, 0.694, 0.832, 0.915, 0.815, 0.851),
    "-c": (0.639, 0.667, 0.811, 0.613, 0.712, 0.824, 0.701, 0.565),
    "-d": (0.796, 0.806, 0.905, 0.701, 0.848, 0.922, 0.826, 0.868),
    "-b +a": (0.956, 0.736, 0.873, 0.621, 0.774, 0.877, 0.789, 0.620),
    "-a +b": (0.653, 0.916, 0.836, 0.612, 0.751, 0.821, 0.785, 0.721),
    "-a +b,e": (0.717, 0.930, 0.897, 0.723, 0.912, 0.921, 0.813, 0.826),
    "-a +b,c,e": (0.807, 0.939, 0.967, 0.741, 0.890, 0.918, 0.862, 0.890),
    "-a +d": (0.801, 0.802, 0.932, 0.867, 0.840, 0.938, 0.870, 0.855),
}


# What section 4.2 says of the outputs of an encoder with so normalised layers.
NORMALISATION = {
    "none": "the variance constraint is violated for all outputs",
    "batch": "75 % of the outputs have zero variance",
    "location-with-bias": "none has zero variance, 90 % have one below 0.5",
    "location": "satisfies the variance constraint",
}
