"""A session: somebody, for some purpose, at work on one area, with everything written down before it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kuntur.errors import RefusedError
from kuntur.model.place import Area
from kuntur.model.records import Action, Actor, LogEntry, Permit, Purpose, Refusal
from kuntur.oversight import policy as rules
from kuntur.oversight.audit import LAUNCH_PERMITS
from kuntur.oversight.ledger import content_sha256
from kuntur.oversight.policy import DEFAULT_POLICY, Policy
from kuntur.store.record import Record

CHECKPOINT_COPY = "checkpoint.txt"
NEEDS_PERMIT = ("launch",)


class Session:
    """Who, why, where, and the record of it. `Session.open` begins one; leaving the `with` block ends it.

    now_ns: the session's clock, UTC nanoseconds (simulated time in a simulation). Every entry is on the disk before
    the method that makes it returns, so: first `record_entry`, then the effect.
    """

    def __init__(
        self,
        folder: Path,
        area: Area,
        actor: Actor,
        purpose: Purpose,
        record: Record,
        *,
        now_ns: Callable[[], int],
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self.folder = folder
        self.area = area
        self.actor = actor
        self.purpose = purpose
        self.record = record
        self.now_ns = now_ns
        self.policy = policy
        self._permits: dict[str, Permit] = {}

    @classmethod
    def open(
        cls,
        folder: Path,
        area: Area,
        actor: Actor,
        purpose: Purpose,
        *,
        now_ns: Callable[[], int],
        policy: Policy = DEFAULT_POLICY,
        simulated: tuple[str, ...] = (),
        keys_folder: Path | None = None,
    ) -> Session:
        """Open (or create) the record in `folder`/record and write the first entry of this session.

        simulated: what here is not real, in words ("simulated aircraft", "sketched terrain").
        Raises BusyError and RecordError as `Record.open` does.
        """
        record = Record.open(folder / "record", name=f"kuntur/{area.id}", keys_folder=keys_folder)
        session = cls(folder, area, actor, purpose, record, now_ns=now_ns, policy=policy)
        try:
            session.record_entry(
                "open",
                area.id,
                inputs={**area.input_hashes, "policy": rules.policy_sha256(policy)},
                detail={"title": area.title, "policy": policy.name, "simulated": list(simulated)},
            )
        except BaseException:
            record.close()
            raise
        return session

    def record_entry(
        self,
        action: str,
        subject: str,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        detail: Mapping[str, Any] | None = None,
        *,
        permit: Permit | None = None,
        actor: Actor | None = None,
    ) -> LogEntry:
        """Write one entry ahead of the effect it announces; RecordError means: do not do it.

        inputs, outputs: name -> SHA-256 hex. permit: the permit acted on; a "launch" cannot be recorded without one
        that this session granted for the same subject and that holds now (RefusedError). actor: if not the session's.
        """
        t_ns = self.now_ns()
        named = dict(inputs or {})
        if permit is not None:
            named["permit"] = permit.id
        if action in NEEDS_PERMIT:
            self._check_permit(action, subject, permit, t_ns)
        return self.record.append(
            t_ns=t_ns,
            actor=actor or self.actor,
            purpose=self.purpose,
            action=action,
            subject=subject,
            inputs=named,
            outputs=outputs,
            detail=detail,
        )

    def permit(
        self,
        action: Action,
        subject: str,
        from_t_ns: int,
        until_t_ns: int,
        *,
        path_m: NDArray[np.float64] | None = None,
        across_m: float | None = None,
        actor: Actor | None = None,
    ) -> Permit:
        """Leave to do `action` with `subject`, or RefusedError; both answers are in the record. See `policy.decide`."""
        answer = rules.decide(
            actor or self.actor,
            self.purpose,
            action,
            subject,
            from_t_ns,
            until_t_ns,
            policy=self.policy,
            zones=self.area.zones,
            path_m=path_m,
            across_m=across_m,
        )
        asked: dict[str, Any] = {} if across_m is None else {"across_m": across_m}
        inputs = {"policy": rules.policy_sha256(self.policy)}
        if path_m is not None:
            inputs["path"] = content_sha256(np.asarray(path_m, float).tolist())
        if isinstance(answer, Refusal):
            detail = {"action": action, "reason": answer.reason, **asked}
            self.record_entry("refuse", subject, inputs, detail=detail, actor=actor)
            raise RefusedError(answer.reason, remedy=answer.remedy)
        self.record_entry(
            "permit",
            subject,
            inputs,
            {"permit": answer.id},
            {"permit": rules.permit_content(answer), **asked},
            actor=actor,
        )
        self._permits[answer.id] = answer
        return answer

    def _check_permit(self, action: str, subject: str, permit: Permit | None, t_ns: int) -> None:
        known = self._permits.get(permit.id) if permit is not None else None
        reason = ""
        if known is None or known != permit:
            reason = f"'{action}' of {subject} was asked for without a permit of this session."
        elif known.action not in LAUNCH_PERMITS or known.subject != subject:
            reason = f"'{action}' of {subject} was asked for on a permit to {known.action} given to {known.subject}."
        elif not known.from_t_ns <= t_ns <= known.until_t_ns:
            reason = f"'{action}' of {subject} was asked for outside the time of its permit."
        if reason:
            detail = {"action": action, "reason": reason}
            self.record_entry("refuse", subject, detail=detail)
            raise RefusedError(reason, remedy=f"Ask for a permit to fly {subject} first.")

    def close(self) -> None:
        """End the session and leave a copy of the newest checkpoint beside the record, for the overseer to take."""
        try:
            self.record_entry("close", self.area.id)
            self.write_checkpoint(self.folder / CHECKPOINT_COPY)
        finally:
            self.record.close()

    def write_checkpoint(self, path: Path) -> None:
        """Write the newest checkpoint, a signed note, to `path`."""
        path.write_text(self.record.note, encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.record_entry("abort", self.area.id, detail={"error": type(error).__name__})
            self.write_checkpoint(self.folder / CHECKPOINT_COPY)
        finally:
            self.record.close()
