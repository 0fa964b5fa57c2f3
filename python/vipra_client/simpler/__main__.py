"""Command line: python -m vipra_client.simpler."""

import argparse
import sys
from pathlib import Path

from vipra_client.errors import ServerError
from vipra_client.simpler.environments import CONTROL_RATE_HZ, EPISODES, TASKS, ManiSkill2, ManiSkill3
from vipra_client.simpler.evaluation import evaluate, summary
from vipra_client.simpler.policy import SimplerPolicy, check_metadata
from vipra_client.websocket import DEFAULT_PORT, WebSocketClient

DESCRIPTION = """\
Evaluates the policy of a server (vipra serve) on SIMPLER's WidowX tasks.

Each episode runs to its last step. Two verdicts are kept, because published numbers use either: success at the last step (the original's
evaluator) and at any step (evaluators that stop there); and whether the object was ever grasped. Results are written as they come, one
line of JSON an episode, and a run that was interrupted goes on where it stopped.

Actions go to the simulator as metres along the robot's base axes, a rotation vector in radians, and a gripper of +1 (open) or -1 (closed),
at 5 Hz; the server's metadata say how the policy's numbers are to be read."""

EPILOG = """\
The simulator is a module with make_env, reset, observe, step, instruction and verdict (--simulator names its folder), or with
--edition maniskill2 the package simpler_env, for policies that see no states. It is imported only when an episode is run."""


# Actions of a chunk that are executed where nobody says how many: the paper's.
EXECUTED = 7

# Which policy results are of, by its server's metadata.
IDENTITY = ("policy", "fingerprints", "crops")

# Which program put out its chunks, and from which draws. Servers of earlier versions do not say all of it.
ORIGIN = ("server", "seed")

EDITIONS = {"maniskill3": ManiSkill3, "maniskill2": ManiSkill2}


def numbers(text: str) -> list[int]:
    """`3`, `0:24` or `0,5,7`."""
    try:
        if ":" in text:
            low, high = (int(part) for part in text.split(":"))
            found = list(range(low, high))
        else:
            found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number, nor 0:24, nor 0,5,7")
    return found


def parser() -> argparse.ArgumentParser:
    """All flags."""
    flags = argparse.ArgumentParser(
        prog="python -m vipra_client.simpler",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    flags.add_argument("--host", default="127.0.0.1", help="where the server listens [default: %(default)s]")
    flags.add_argument("--port", type=int, default=DEFAULT_PORT, help="its port [default: %(default)s]")
    flags.add_argument("--token-file", type=Path, metavar="FILE", help="the server's token")
    flags.add_argument("--simulator", metavar="DIR", help="the folder of the simulator's module")
    flags.add_argument("--module", default="simpler_ms3", help="the simulator's module [default: %(default)s]")
    flags.add_argument("--edition", choices=list(EDITIONS), default="maniskill3", help="[default: %(default)s]")
    flags.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), help="[default: all four]")
    flags.add_argument(
        "--episodes", type=numbers, default=list(range(EPISODES)), metavar="N",
        help="placements of the objects: 3, 0:24 or 0,5,7 [default: 0:24]",
    )  # fmt: skip
    flags.add_argument(
        "--execute", type=int, metavar="N", help="actions of a chunk that are executed [default: as the server says, else 7 of 14]"
    )
    flags.add_argument(
        "--image-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"),
        help="bring images to this size before they are sent, such as 256 256 for a policy that was finetuned on recordings of it "
        "[default: as the camera gives them]",
    )  # fmt: skip
    flags.add_argument("--jpeg", action="store_true", help="send images as JPEG files: for slow networks")
    flags.add_argument("--timeout-secs", type=float, default=600.0, help="longest wait for a chunk [default: %(default)s]")
    flags.add_argument("--videos", type=Path, metavar="DIR", help="a video of each episode that is run, as an animated WebP")
    flags.add_argument("--out", type=Path, required=True, metavar="FILE", help="the results, JSON lines; goes on if it is there")
    return flags


def main(arguments=None) -> int:
    """Runs the benchmark. Exit codes: 0 done, 2 could not run."""
    flags = parser()
    args = flags.parse_args(arguments)
    # A simulator of one's own may have more.
    if args.module == flags.get_default("module") and max(args.episodes) >= EPISODES:
        flags.error(f"there is no episode {max(args.episodes)}: placements of the objects are 0 to {EPISODES - 1}")
    if args.edition == "maniskill3" and args.simulator is None:
        flags.error("--simulator names the folder of the simulator's module")
    try:
        print(summary(run(args)))
    except (OSError, ValueError, ServerError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def executed(metadata: dict) -> int:
    """Actions of a chunk that are executed, as the server says.

    Policies that average chunks are driven by first actions here; which, has to be said.
    """
    execution = metadata.get("execution") or {"first": {"actions": EXECUTED}}
    if "first" not in execution:
        raise ValueError(f"this policy is to be executed by {', '.join(execution)}, which is not done here: say --execute")
    return execution["first"]["actions"]


def check_states(metadata: dict, edition: str) -> None:
    """Refuses a policy that wants states of an edition that has none, before its simulator is made."""
    names = metadata.get("state_names") if metadata.get("states") else None
    if not names or EDITIONS[edition].has_state:
        return
    others = " or ".join(f"--edition {name}" for name, environment in EDITIONS.items() if environment.has_state)
    raise ValueError(f"this policy wants the robot's state ({', '.join(names)}), and edition {edition} gives none: {others} does")


def run(args) -> list[dict]:
    """The results of all episodes."""
    token = args.token_file.read_text().strip() if args.token_file else None
    client = WebSocketClient(args.host, args.port, token=token, timeout_secs=args.timeout_secs, jpeg=args.jpeg)
    with client:
        execute = executed(client.metadata) if args.execute is None else args.execute
        policy = SimplerPolicy(client, execute, args.image_size, CONTROL_RATE_HZ)
        check_states(client.metadata, args.edition)
        check_metadata(client.metadata, IDENTITY)
        header = {
            "environment": EDITIONS[args.edition].name,
            **{key: client.metadata[key] for key in IDENTITY},
            **{key: client.metadata.get(key) for key in ORIGIN},
            "execute": execute,
            "image_size": args.image_size,
            "jpeg": args.jpeg,
        }

        def make(task):
            if args.edition == "maniskill2":
                return ManiSkill2(task)
            return ManiSkill3(task, args.simulator, args.module)

        return evaluate(make, policy, args.tasks, args.episodes, args.out, header, videos=args.videos)


if __name__ == "__main__":
    sys.exit(main())
