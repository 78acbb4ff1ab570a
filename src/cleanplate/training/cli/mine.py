"""`cleanplate mine`."""

from __future__ import annotations

from cleanplate.training.cli.shared import add_pairs, new_parser, pairs_of, track

FIGURE = {"miou": "mask_miou", "psnr": "psnr"}


def run(arguments: list[str]) -> int:
    """List the pairs that a model does badly on, and a sample of the others."""
    parser = new_parser("mine", "List the pairs that a model does badly on, and some others.")
    add_pairs(parser)
    parser.add_argument(
        "--model", action="append", required=True, metavar="MODEL", help="or ROLE=MODEL of --task"
    )
    parser.add_argument("--task", default="watermark")
    parser.add_argument("--by", choices=FIGURE, default="miou", help="what to judge by (miou)")
    parser.add_argument("--under", type=float, required=True, help="what is less is listed")
    parser.add_argument("--sample", type=float, default=0.1, help="share of the others (0.1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--list", required=True, help="text file for the pairs' names, in FOLDER")
    given = parser.parse_args(arguments)
    from cleanplate.training import evaluate, mining
    from cleanplate.writing import write_all

    pairs, listing = pairs_of(given), given.folder / given.list
    task = evaluate.open_task(given.task, given.model, device=given.device, threads=given.threads)
    scored = track(evaluate.evaluate(pairs, task), len(pairs), "pictures")
    scores = [evaluate.without_pictures(score) for score in scored]
    hard, others = mining.choose(scores, FIGURE[given.by], given.under, given.sample, given.seed)
    chosen = {score.name for score in [*hard, *others]}
    lines = "".join(f"{pair.name}\n" for pair in pairs if pair.name in chosen)
    write_all({listing: lines.encode()})
    print(
        f"{listing}: {len(hard)} of {len(pairs)} pairs under {given.under:g}, and {len(others)} "
        "of the others."
    )
    return 0
