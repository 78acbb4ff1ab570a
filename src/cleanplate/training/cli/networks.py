"""`cleanplate networks`."""

from __future__ import annotations

from cleanplate.training.cli.shared import at_least, new_parser


def run(arguments: list[str]) -> int:
    """Print the table of architectures, at full width."""
    parser = new_parser("networks", "List the architectures and what they cost.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--measure", action="store_true", help="time each on one core, too")
    parser.add_argument("--side", type=at_least(32), default=256, help="of the square input (256)")
    given = parser.parse_args(arguments)
    from cleanplate.training.networks.table import rows

    print(f"{'network':30s} {'million':>8s} {'kMAC/px':>8s} {'s/MP':>7s}  outputs")
    for row in rows(given.names or None, given.side, given.measure):
        timed = "-" if row.seconds_per_megapixel is None else f"{row.seconds_per_megapixel:.2f}"
        print(
            f"{row.name:30s} {row.parameters / 1e6:8.2f} {row.macs_per_pixel / 1e3:8.1f} "
            f"{timed:>7s}  {', '.join(row.outputs)}",
            flush=True,
        )
    return 0
