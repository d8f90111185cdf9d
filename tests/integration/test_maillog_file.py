"""The mail log's file: its head, its frame, rolling over, and several processes at once."""

from __future__ import annotations

import multiprocessing
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from seg_console.mail import maillog
from seg_console.mail.maillog import MailLog

AT = datetime(2024, 2, 17, 3, 19, 22, tzinfo=UTC)
FRAME = re.compile(r"^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} Info: .+$")


def new_log(path: Path, limit: int = 10_000_000) -> MailLog:
    return MailLog(path, zone=timezone(timedelta(hours=-6)), serial="420D4FEA709365BFB3E3-0AF2EE5E700E", limit=limit)


def test_a_file_begins_with_version_serial_number_and_offset(tmp_path: Path) -> None:
    new_log(tmp_path / "mail_logs").write([(AT, "MID 1 queued for delivery")])
    lines = (tmp_path / "mail_logs").read_text().splitlines()
    assert [line[31:] for line in lines[:3]] == [
        "Begin Logfile",
        "Version: 0.1.0 SN: 420D4FEA709365BFB3E3-0AF2EE5E700E",
        "Time offset from UTC: -21600 seconds",
    ]
    assert lines[3:] == ["Fri Feb 16 21:19:22 2024 Info: MID 1 queued for delivery"]


def test_text_that_cannot_be_encoded_is_written_escaped(tmp_path: Path) -> None:
    new_log(tmp_path / "mail_logs").write([(AT, "Subject 'Grüße \udc80'")])
    assert (tmp_path / "mail_logs").read_text().splitlines()[3].endswith(r"Subject 'Grüße \udc80'")


def test_a_line_is_at_most_8_kb_and_says_how_much_was_cut(tmp_path: Path) -> None:
    frame, name = len("Fri Feb 16 21:19:22 2024 Info: "), tmp_path / "mail_logs"
    texts = ["x" * (8191 - frame), "x" * (8192 - frame), "y" * 300_000, "é" * 300_000]
    new_log(name).write([(AT, text) for text in texts])
    whole, one_more, ascii_only, letters = name.read_bytes().splitlines(keepends=True)[3:]
    assert whole.endswith(b" " + b"x" * (8191 - frame) + b"\n")
    assert len(whole) == 8192
    for line, text in ((one_more, texts[1]), (ascii_only, texts[2]), (letters, texts[3])):
        found = re.fullmatch(r".{24} Info: (.+)\.\.\. \[(\d+) octets cut\]\n", line.decode())
        assert found
        assert 8188 <= len(line) <= 8192
        assert text.startswith(found[1])
        assert len(found[1].encode()) + int(found[2]) == len(text.encode())


def test_what_is_told_late_bears_the_time_of_the_line_above_it(tmp_path: Path) -> None:
    first, second = new_log(tmp_path / "mail_logs"), new_log(tmp_path / "mail_logs")
    first.write([(AT, "a"), (AT + timedelta(seconds=2), "b"), (AT + timedelta(seconds=1), "c")])
    second.write([(AT, "d"), (AT + timedelta(seconds=3), "e")])
    first.write([(AT + timedelta(seconds=2), "f")])
    times = [line[17:19] + line[31:] for line in (tmp_path / "mail_logs").read_text().splitlines()[3:]]
    assert times == ["22a", "24b", "24c", "24d", "25e", "25f"]


def test_the_head_of_the_next_file_is_no_later_than_what_follows_it(tmp_path: Path) -> None:
    log = new_log(tmp_path / "mail_logs", limit=300)
    log.write([(AT, "x" * 300)])
    log.write([(AT - timedelta(hours=1), "y")])
    lines = [
        line
        for file in (*tmp_path.glob("mail_logs.@*.s"), tmp_path / "mail_logs")
        for line in file.read_text().splitlines()
    ]
    assert len(lines) == 9
    assert {line[:24] for line in lines} == {"Fri Feb 16 21:19:22 2024"}


def test_after_the_clock_was_set_back_the_log_follows_it(tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    log = new_log(tmp_path / "mail_logs")
    log.write([(ahead, "too early")])
    log.write([(AT, "right")])
    log.write([(AT - timedelta(seconds=5), "late")])
    assert [line[:24] for line in (tmp_path / "mail_logs").read_text().splitlines()[4:]] == [
        "Fri Feb 16 21:19:22 2024",
        "Fri Feb 16 21:19:22 2024",
    ]


def test_a_full_file_is_rolled_over_and_the_next_begins_with_its_head(tmp_path: Path) -> None:
    log = new_log(tmp_path / "mail_logs", limit=2000)
    for number in range(40):
        log.write([(AT, f"MID {number} queued for delivery")])
    files = sorted(tmp_path.glob("mail_logs.@*.s"))
    assert files
    assert all(file.read_text().splitlines()[-1].endswith("Info: End Logfile") for file in files)
    everything = "".join(file.read_text() for file in [*files, tmp_path / "mail_logs"])
    assert [int(number) for number in re.findall(r"MID (\d+) queued", everything)] == list(range(40))
    assert (tmp_path / "mail_logs").read_text().splitlines()[0].endswith("Begin Logfile")


def test_only_the_newest_rolled_files_are_kept(tmp_path: Path) -> None:
    log = new_log(tmp_path / "mail_logs", limit=300)
    for number in range(60):
        log.write([(AT, f"MID {number} " + "x" * 100)])
    assert len(list(tmp_path.glob("mail_logs.@*.s"))) == maillog.KEEP_ROLLED_FILES


def write_many(path: Path, name: str) -> None:
    log = new_log(path, limit=20_000)
    for number in range(300):
        at = AT + timedelta(seconds=number * 7 % 300)
        log.write([(at, f"{name} {number} first"), (at, f"{name} {number} second")])


def test_lines_of_several_processes_never_mix_and_none_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_many, args=(tmp_path / "mail_logs", name)) for name in ("A", "B", "C")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    files = [*sorted(tmp_path.glob("mail_logs.@*.s")), tmp_path / "mail_logs"]
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert all(FRAME.match(line) for line in lines)
    texts = [line[31:] for line in lines]
    written = [text for text in texts if text.endswith(("first", "second"))]
    assert len(written) == len(set(written)) == 3 * 300 * 2
    times = [datetime.strptime(line[:24] + "-0600", "%a %b %d %H:%M:%S %Y%z") for line in lines]
    assert times == sorted(times)
    # The two lines of one write stand together.
    pairs = zip(written[::2], written[1::2], strict=True)
    assert all(first.replace("first", "second") == second for first, second in pairs)
