from __future__ import annotations

import struct
from collections.abc import Iterator
from errno import EEXIST, EINVAL, ENOBUFS, ENODEV, ENOENT
from typing import Any

import pytest

from dpif.errors import AlreadyExists, DecodeError, NetlinkError, NoSuchObject
from dpif.netlink import constants as c
from dpif.netlink.exchange import Batch, Dump, Overrun, Request, RequestKind, Subscription, Transaction
from dpif.netlink.message import pack_message, split

TOY = 30
PORT = 77


def text(payload: memoryview) -> str:
    if bytes(payload) == b"bad!":
        raise DecodeError("bad")
    return bytes(payload).decode()


def ask(payload: bytes = b"ask", flags: int = 0) -> Request[str]:
    return Request(RequestKind("toy", text, "ask the toy", flags), payload)


def reply(payload: bytes, seq: int = 5, *, type: int = TOY, flags: int = 0, port: int = PORT) -> bytes:
    return pack_message(type, flags, seq, port, payload)


def ack(code: int = 0, seq: int = 5, port: int = PORT) -> bytes:
    request = struct.pack("=IHHII", 20, TOY, 5, seq, port)
    return pack_message(c.NLMSG_ERROR, c.NLM_F_CAPPED, seq, port, struct.pack("=i", -code) + request)


def done(code: int = 0, flags: int = c.NLM_F_MULTI) -> bytes:
    return pack_message(c.NLMSG_DONE, flags, 5, PORT, struct.pack("=i", -code))


class TestTransaction:
    def start(self, flags: int = 0) -> Transaction[str]:
        return Transaction(ask(flags=flags), TOY, 5, PORT)

    def test_asks_for_an_acknowledgement(self) -> None:
        (message,) = split(self.start(c.NLM_F_ECHO).datagram)
        assert message[:4] == (TOY, c.NLM_F_REQUEST | c.NLM_F_ACK | c.NLM_F_ECHO, 5, PORT)
        assert bytes(message.payload) == b"ask"

    def test_reply_then_acknowledgement(self) -> None:
        exchange = self.start()
        exchange.feed(reply(b"yes"))
        assert not exchange.done
        exchange.feed(ack())
        assert exchange.done
        assert exchange.result() == "yes"

    def test_all_in_one_datagram_and_the_first_reply_counts(self) -> None:
        exchange = self.start()
        exchange.feed(reply(b"one!") + reply(b"two!") + ack())
        assert exchange.done
        assert exchange.result() == "one!"

    def test_acknowledgement_alone(self) -> None:
        exchange = self.start()
        exchange.feed(ack())
        assert exchange.result() is None

    def test_refusal(self) -> None:
        exchange = self.start()
        exchange.feed(ack(EEXIST))
        assert exchange.done
        with pytest.raises(AlreadyExists, match="ask the toy: File exists"):
            exchange.result()

    def test_passes_over_what_is_not_its_own(self) -> None:
        exchange = self.start()
        exchange.feed(
            reply(b"seq", seq=4)
            + reply(b"port", port=78)
            + ack(EINVAL, seq=4)
            + ack(EINVAL, port=78)
            + ack(EINVAL, 0, 0)
        )
        exchange.feed(pack_message(c.NLMSG_NOOP, 0, 5, PORT, b""))
        assert not exchange.done
        exchange.feed(reply(b"mine") + ack())
        assert exchange.result() == "mine"

    def test_without_a_port_id_of_its_own_only_the_number_counts(self) -> None:
        exchange = Transaction(ask(), TOY, 5)
        exchange.feed(reply(b"mine", port=78) + ack(port=79))
        assert exchange.result() == "mine"

    def test_a_reply_that_cannot_be_read_is_the_result(self) -> None:
        exchange = self.start()
        exchange.feed(reply(b"bad!") + ack())
        assert exchange.done
        with pytest.raises(DecodeError):
            exchange.result()

    def test_a_reply_of_another_family(self) -> None:
        exchange = self.start()
        exchange.feed(reply(b"what", type=TOY + 1) + ack())
        with pytest.raises(DecodeError, match="type 31 where 30 belongs"):
            exchange.result()

    def test_a_lost_answer(self) -> None:
        exchange = self.start()
        exchange.overrun()
        assert exchange.done
        with pytest.raises(NetlinkError, match=r"ask the toy: .*lost") as caught:
            exchange.result()
        assert caught.value.errno == ENOBUFS


class TestBatch:
    def start(self, count: int, payload: bytes = b"ask!") -> Batch:
        return Batch([ask(payload) for _ in range(count)], {"toy": TOY}, 5, PORT)

    def under_way(self, count: int) -> tuple[Batch, Iterator[bytes]]:
        """Return a batch whose first datagram was sent, and the others."""
        batch = self.start(count)
        datagrams = batch.datagrams()
        next(datagrams)
        return batch, datagrams

    def test_asks_for_the_last_acknowledgement_alone(self) -> None:
        (datagram,) = self.start(3).datagrams()
        messages = list(split(datagram))
        assert [message.seq for message in messages] == [5, 6, 7]
        assert [bool(message.flags & c.NLM_F_ACK) for message in messages] == [False, False, True]

    def test_no_more_than_128_messages_in_a_datagram(self) -> None:
        batch = self.start(300)
        parts = [list(split(datagram)) for datagram in batch.datagrams()]
        assert [len(part) for part in parts] == [128, 128, 44]
        assert [message.seq for part in parts for message in part] == list(range(5, 305))
        assert all(part[-1].flags & c.NLM_F_ACK for part in parts)

    def test_silent_ones_go_together_in_larger_numbers(self) -> None:
        loud, silent = RequestKind("toy", text), RequestKind("toy", text, silent=True)
        kinds = [silent] * 300 + [loud] * 150
        datagrams = Batch([Request(kind, b"ask!") for kind in kinds], {"toy": TOY}, 5).datagrams()
        assert [len(list(split(datagram))) for datagram in datagrams] == [256, 44 + 106, 44]

    def test_no_more_than_128_kib_in_a_datagram(self) -> None:
        batch = self.start(10, bytes(20000))
        assert [len(list(split(datagram))) for datagram in batch.datagrams()] == [6, 4]
        assert max(map(len, batch.datagrams())) <= 0x20000

    def test_a_long_message_goes_alone(self) -> None:
        batch = self.start(2, bytes(0x20001))
        assert len(list(batch.datagrams())) == 2

    def test_one_message_after_the_other_may_have_its_own_length(self) -> None:
        requests = [ask(b"a" * length) for length in (1, 2, 3, 4)]
        (datagram,) = Batch(requests, {"toy": TOY}, 5).datagrams()
        assert [bytes(message.payload) for message in split(datagram)] == [b"a", b"aa", b"aaa", b"aaaa"]

    def test_kinds_may_alternate_and_each_has_its_head(self) -> None:
        first = RequestKind("toy", text, head=b"one")
        second = RequestKind("other", text, flags=c.NLM_F_ECHO, head=b"three")
        requests = [Request(kind, bytes(size)) for size, kind in enumerate((first, second, second, first))]
        (datagram,) = Batch(requests, {"toy": TOY, "other": TOY + 1}, 5).datagrams()
        messages = list(split(datagram))
        assert [bytes(message.payload) for message in messages] == [request.payload for request in requests]
        assert [message.type for message in messages] == [TOY, TOY + 1, TOY + 1, TOY]
        asked = c.NLM_F_REQUEST
        echo = asked | c.NLM_F_ECHO
        assert [message.flags for message in messages] == [asked, echo, echo, asked | c.NLM_F_ACK]

    def test_no_requests(self) -> None:
        batch = Batch([], {}, 5)
        assert batch.done
        assert list(batch.datagrams()) == []
        assert batch.results() == []

    def test_silence_means_success_once_the_last_is_acknowledged(self) -> None:
        batch, _ = self.under_way(4)
        batch.feed(ack(EEXIST, 5) + reply(b"echo", 6))
        assert not batch.done
        batch.feed(ack(0, 8))
        assert batch.done
        first, *others = batch.results()
        assert isinstance(first, AlreadyExists)
        assert others == ["echo", None, None]

    def test_the_failure_of_the_last_is_its_acknowledgement(self) -> None:
        batch, _ = self.under_way(2)
        batch.feed(ack(ENOENT, 6))
        assert batch.done
        first, second = batch.results()
        assert first is None
        assert isinstance(second, NoSuchObject)

    def test_one_datagram_after_the_other_is_answered(self) -> None:
        batch = self.start(300)
        assert (batch.answered, batch.done) == (True, False)
        for _ in batch.datagrams():
            assert not batch.answered
            batch.feed(ack(0, 5 + 126))
            for last in (127, 255, 299):
                batch.feed(ack(0, 5 + last))
                if batch.answered:
                    break
            assert batch.done == (last == 299)
        assert batch.done
        assert batch.results() == [None] * 300

    def test_passes_over_what_is_not_its_own(self) -> None:
        batch = self.start(2)
        batch.feed(ack(EINVAL, 4) + ack(EINVAL, 7) + ack(EINVAL, 5, port=78) + reply(b"event", 6, port=78))
        batch.feed(ack(0, 6))
        assert batch.results() == [None, None]

    def test_a_reply_that_cannot_be_read_is_that_requests_alone(self) -> None:
        batch = self.start(2)
        batch.feed(reply(b"bad!", 5) + reply(b"good", 6) + ack(0, 6))
        first, second = batch.results()
        assert isinstance(first, DecodeError)
        assert second == "good"

    def test_a_loss_makes_silence_a_failure_within_its_datagram(self) -> None:
        batch, datagrams = self.under_way(129)
        batch.feed(ack(EEXIST, 5))
        batch.overrun()
        assert (batch.answered, batch.done) == (True, False)
        next(datagrams)
        assert not batch.answered
        batch.feed(ack(0, 5 + 128))
        assert batch.done
        results: list[Any] = batch.results()
        assert [results[0].errno, results[1].errno, results[127].errno] == [EEXIST, ENOBUFS, ENOBUFS]
        assert results[128] is None
        batch.overrun()
        assert batch.results()[128] is None


class TestDump:
    def start(self) -> Dump[str]:
        return Dump(ask(), TOY, 5, PORT)

    def test_asks_for_a_dump_and_no_acknowledgement(self) -> None:
        (message,) = split(self.start().datagram)
        assert message.flags == c.NLM_F_REQUEST | c.NLM_F_DUMP

    def test_rows_until_done(self) -> None:
        exchange = self.start()
        assert exchange.feed(reply(b"1") + reply(b"2", seq=4) + reply(b"3", port=8)) == ["1"]
        assert exchange.feed(reply(b"4")) == ["4"]
        assert not exchange.done
        assert exchange.feed(reply(b"5") + done()) == ["5"]
        assert exchange.done
        assert not exchange.interrupted
        exchange.result()

    def test_the_code_in_done_is_an_error_after_the_rows(self) -> None:
        exchange = self.start()
        assert exchange.feed(reply(b"1") + done(ENODEV)) == ["1"]
        assert exchange.done
        with pytest.raises(NoSuchObject, match="ask the toy: No such device"):
            exchange.result()

    def test_a_refusal_ends_it(self) -> None:
        exchange = self.start()
        assert exchange.feed(ack(EINVAL)) == []
        assert exchange.done
        with pytest.raises(NetlinkError, match="Invalid argument"):
            exchange.result()

    @pytest.mark.parametrize("row", [True, False])
    def test_interrupted(self, row: bool) -> None:
        exchange = self.start()
        exchange.feed(reply(b"1", flags=c.NLM_F_DUMP_INTR if row else 0))
        exchange.feed(done(flags=0 if row else c.NLM_F_DUMP_INTR))
        assert exchange.interrupted
        exchange.result()

    def test_a_row_of_another_family(self) -> None:
        with pytest.raises(DecodeError, match="type 31 where 30 belongs"):
            self.start().feed(reply(b"what", type=TOY + 1))

    def test_lost_rows(self) -> None:
        exchange = self.start()
        exchange.overrun()
        assert exchange.done
        with pytest.raises(NetlinkError, match="rows were lost"):
            exchange.result()


class TestSubscription:
    def test_events_of_its_family_whoever_caused_them(self) -> None:
        events = Subscription(TOY, text)
        datagram = reply(b"one", 0, port=0) + reply(b"alien", type=TOY + 1) + reply(b"two", 9, port=3) + ack()
        assert events.feed(datagram) == ["one", "two"]

    def test_overrun_is_a_value(self) -> None:
        assert Subscription(TOY, text).overrun() == Overrun()

    def test_bad_event(self) -> None:
        with pytest.raises(DecodeError):
            Subscription(TOY, text).feed(reply(b"bad!"))


class TestFixedTypes:
    """Protocols without families: nfnetlink numbers its messages itself, and answers with other numbers."""

    GET, NEW = 0x101, 0x100

    def request(self) -> Request[str]:
        return Request(RequestKind(self.GET, text, "ask the table", reply_type=self.NEW), b"ask")

    def test_a_transaction_is_answered_in_the_type_of_replies(self) -> None:
        exchange = Transaction(self.request(), self.GET, 5, PORT)
        assert next(split(exchange.datagram)).type == self.GET
        exchange.feed(reply(b"yes", type=self.NEW) + ack())
        assert exchange.result() == "yes"

    def test_a_transaction_refuses_its_own_type(self) -> None:
        exchange = Transaction(self.request(), self.GET, 5, PORT)
        exchange.feed(reply(b"yes", type=self.GET) + ack())
        with pytest.raises(DecodeError, match="type 257 where 256 belongs"):
            exchange.result()

    def test_a_batch(self) -> None:
        exchange = Batch([self.request()], {self.GET: self.GET}, 5, PORT)
        exchange.feed(reply(b"yes", type=self.NEW) + ack())
        assert exchange.results() == ["yes"]

    def test_a_dump(self) -> None:
        exchange = Dump(self.request(), self.GET, 5, PORT)
        assert exchange.feed(reply(b"row", type=self.NEW) + done()) == ["row"]
