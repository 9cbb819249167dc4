"""Envelopes, addressing and faults: what is understood, refused with which fault, and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from gateway.wire.problems import EncodeError
from gateway.wire.soap.envelope import (
    ANONYMOUS,
    FAULT_ACTION,
    WSA_FAULT_ACTION,
    Envelope,
    EnvelopeProblem,
    Fault,
    FaultCode,
    parse_content_type,
    quote_parameter,
    read_envelope,
    read_envelope_tree,
    read_fault,
    simple_content_type,
    write_envelope,
    write_fault,
)
from gateway.wire.xml import SOAP, WSA, WSSE, XOP, parse_xml, text_of
from tests.shared import shared

BODY = b'<q:Ask xmlns:q="urn:q"><q:What>&lt;</q:What></q:Ask>'
ACTION = "<wsa:Action>urn:a</wsa:Action>"


def _envelope(headers: str, body: bytes = BODY, *, uri: str = SOAP) -> bytes:
    return (
        (
            f'<s:Envelope xmlns:s="{uri}" xmlns:wsa="{WSA}" xmlns:wsse="{WSSE}">'
            f"<s:Header>{headers}</s:Header><s:Body>"
        ).encode()
        + body
        + b"</s:Body></s:Envelope>"
    )


def _refused(data: bytes) -> Fault:
    """The fault with which a message is refused."""
    with pytest.raises(EnvelopeProblem) as caught:
        read_envelope(data)
    return caught.value.fault


def _validate(data: bytes) -> etree._Element:
    """Check an envelope, and each addressing header in it, against the published schemas."""
    root = parse_xml(data)
    folder = shared("schemas")
    envelope = etree.XMLSchema(file=str(folder / "soap12/soap-1.2-envelope.xsd"))
    envelope.assertValid(root)
    addressing = etree.XMLSchema(file=str(folder / "ws/2005/08/addressing/ws-addr.xsd"))
    for header in root.iterfind(f"{{{SOAP}}}Header/{{{WSA}}}*"):
        addressing.assertValid(header)
    return root


def test_a_written_request_reads_back() -> None:
    """All headers of a request, its security header and its body survive the wire."""
    data = write_envelope(
        BODY,
        action="urn:ihe:iti:2007:CrossGatewayQuery",
        message_id="urn:uuid:1",
        to="https://a.example/xca?x=1&y=2",
        reply_to=ANONYMOUS,
        security=f'<o:Security xmlns:o="{WSSE}"><t/></o:Security>'.encode(),
    )

    read = read_envelope(data)

    assert read.action == "urn:ihe:iti:2007:CrossGatewayQuery"
    assert read.message_id == "urn:uuid:1"
    assert read.to == "https://a.example/xca?x=1&y=2"
    assert read.reply_to == ANONYMOUS
    assert read.relates_to == ""
    assert read.security is not None
    assert read.security[0].tag == "t"
    assert read.body.tag == "{urn:q}Ask"
    assert text_of(read.body) == "<"


def test_a_written_answer_relates_to_its_request() -> None:
    """An answer carries RelatesTo and leaves out what it was not given."""
    read = read_envelope(write_envelope(BODY, action="urn:a", relates_to="uuid:7"))

    assert (read.relates_to, read.message_id, read.to) == ("uuid:7", "", "")
    assert read.security is None


def test_what_is_written_is_valid_soap_and_addressing() -> None:
    """Requests, answers and every kind of fault validate against the schemas of W3C."""
    _validate(
        write_envelope(
            BODY, action="urn:a", message_id="urn:uuid:1", to="https://a/", reply_to=ANONYMOUS
        )
    )
    _validate(write_envelope(BODY, action="urn:a", message_id="m", relates_to="urn:uuid:1"))
    for code in FaultCode:
        for subcode in ("", "wsa:InvalidAddressingHeader", "wsse:FailedCheck"):
            fault = Fault(
                code=code, reason="why", subcode=subcode, headers=(f"{{{WSA}}}To", "{urn:x}y", "z")
            )
            _validate(write_fault(fault, message_id="urn:uuid:2", relates_to="urn:uuid:1"))


def test_the_action_is_flagged_must_understand() -> None:
    """IHE demands soap:mustUnderstand on the Action, once, without blanks around it."""
    root = parse_xml(write_envelope(BODY, action="urn:a"))

    action = root[0].find(f"{{{WSA}}}Action")

    assert action is not None
    assert action.text == "urn:a"
    assert action.get(f"{{{SOAP}}}mustUnderstand") == "1"


def test_a_body_with_an_xml_declaration_is_not_written() -> None:
    """A declaration in mid-document would break the message; the codec is told."""
    with pytest.raises(EncodeError):
        write_envelope(b'<?xml version="1.0"?><a/>', action="urn:a")


def test_missing_headers_but_the_action_are_forgiven() -> None:
    """A peer that sends only the Action is understood; no ReplyTo means anonymous."""
    read = read_envelope(_envelope(ACTION))

    assert (read.action, read.message_id, read.to) == ("urn:a", "", "")
    assert read.reply_to == ANONYMOUS


def test_blanks_around_the_action_are_stripped() -> None:
    """A pretty-printed Action is the same action."""
    assert read_envelope(_envelope("<wsa:Action>\n  urn:a\t</wsa:Action>")).action == "urn:a"


def test_any_message_id_is_taken() -> None:
    """A message id without urn: is an id all the same."""
    read = read_envelope(_envelope(ACTION + "<wsa:MessageID>uuid:1-2</wsa:MessageID>"))

    assert read.message_id == "uuid:1-2"


@pytest.mark.parametrize("headers", ["", "<wsa:Action/>", "<wsa:Action>  </wsa:Action>"])
def test_a_missing_action_is_a_fault_of_the_sender(headers: str) -> None:
    """Without an Action nobody knows what is asked: wsa:MessageAddressingHeaderRequired."""
    fault = _refused(_envelope(headers))

    assert fault.code is FaultCode.SENDER
    assert fault.subcode == "wsa:MessageAddressingHeaderRequired"
    assert fault.headers == (f"{{{WSA}}}Action",)
    assert fault.http_status == 400


def test_a_missing_action_is_forgiven_where_the_caller_says_so() -> None:
    """A client reads an answer without an Action, and without any Header at all."""
    assert read_envelope(_envelope(""), require_action=False).action == ""
    data = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/></s:Body></s:Envelope>'.encode()
    assert read_envelope(data, require_action=False).body.tag == "a"


@pytest.mark.parametrize("name", ["Action", "MessageID", "To", "ReplyTo", "FaultTo", "From"])
def test_a_repeated_addressing_header_is_a_fault(name: str) -> None:
    """Two headers of a kind could be read differently by two: wsa:InvalidAddressingHeader."""
    fault = _refused(_envelope(ACTION + f"<wsa:{name}>x</wsa:{name}>" * 2))

    assert fault.code is FaultCode.SENDER
    assert fault.subcode == "wsa:InvalidAddressingHeader"
    assert fault.headers == (f"{{{WSA}}}{name}",)


def test_two_replies_at_once_are_a_fault_but_other_relations_are_not() -> None:
    """RelatesTo may repeat for other relationships; only one message can be answered."""
    relation = '<wsa:RelatesTo RelationshipType="urn:other">x</wsa:RelatesTo>'
    reply = "<wsa:RelatesTo>r</wsa:RelatesTo>"

    assert read_envelope(_envelope(ACTION + relation + reply)).relates_to == "r"
    assert _refused(_envelope(ACTION + reply * 2)).subcode == "wsa:InvalidAddressingHeader"


def test_two_security_headers_are_a_fault() -> None:
    """Which of two assertions counts must not be a matter of taste: wsse:InvalidSecurity."""
    assert _refused(_envelope(ACTION + "<wsse:Security/>" * 2)).subcode == "wsse:InvalidSecurity"


@pytest.mark.parametrize("flag", ["1", "true", " true "])
def test_an_unknown_header_that_must_be_understood_is_a_fault(flag: str) -> None:
    """The fault names the header, relates to the message, and says MustUnderstand."""
    data = _envelope(
        ACTION + f'<wsa:MessageID>m</wsa:MessageID><x:H xmlns:x="urn:x" s:mustUnderstand="{flag}"/>'
    )

    with pytest.raises(EnvelopeProblem) as caught:
        read_envelope(data)

    assert caught.value.fault.code is FaultCode.MUST_UNDERSTAND
    assert caught.value.fault.headers == ("{urn:x}H",)
    assert caught.value.fault.http_status == 500
    assert caught.value.message_id == "m"
    root = _validate(write_fault(caught.value.fault, relates_to=caught.value.message_id))
    block = root[0].find(f"{{{SOAP}}}NotUnderstood")
    assert block is not None
    prefix, _, local = (block.get("qname") or "").partition(":")
    assert (block.nsmap[prefix], local) == ("urn:x", "H")


@pytest.mark.parametrize(
    "header",
    [
        '<x:H xmlns:x="urn:x" s:mustUnderstand="0"/>',
        '<x:H xmlns:x="urn:x" s:mustUnderstand="false"/>',
        '<x:H xmlns:x="urn:x" mustUnderstand="1"/>',
        '<x:H xmlns:x="urn:x"><x:I s:mustUnderstand="1"/></x:H>',
        '<x:H xmlns:x="urn:x" s:mustUnderstand="1" s:role="urn:somebody-else"/>',
        '<wsse:Security s:mustUnderstand="1"/>',
        '<wsa:To s:mustUnderstand="true">https://a/</wsa:To>',
        '<c:CorrelationTimeToLive xmlns:c="urn:ihe:iti:xcpd:2009" s:mustUnderstand="1"/>',
    ],
)
def test_headers_that_are_understood_or_not_for_us_pass(header: str) -> None:
    """Security and addressing count as understood; other roles and mere offers are ignored."""
    assert read_envelope(_envelope(ACTION + header)).action == "urn:a"


def test_a_client_may_understand_everything() -> None:
    """Answers of peers that flag odd headers are read all the same."""
    data = _envelope(ACTION + '<x:H xmlns:x="urn:x" s:mustUnderstand="1"/>')

    assert read_envelope(data, understood=None).action == "urn:a"


def test_a_header_for_another_role_is_not_read() -> None:
    """An Action for an intermediary neither counts nor doubles ours."""
    other = '<wsa:Action s:role="urn:somebody-else">urn:b</wsa:Action>'

    assert read_envelope(_envelope(other + ACTION)).action == "urn:a"


def test_soap_1_1_is_a_version_mismatch() -> None:
    """The fault is VersionMismatch, status 500, and tells which envelope would be read."""
    fault = _refused(_envelope(ACTION, uri="http://schemas.xmlsoap.org/soap/envelope/"))

    assert fault.code is FaultCode.VERSION_MISMATCH
    assert fault.http_status == 500
    assert b"SupportedEnvelope" in write_fault(fault)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<a/>",
        b"<Envelope/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        f'<s:Envelope xmlns:s="{SOAP}"/>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header/></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body/><s:Header/></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header/><s:Header/><s:Body/></s:Envelope>'.encode(),
        f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/></s:Body><x/></s:Envelope>'.encode(),
        _envelope(ACTION, b""),
        _envelope(ACTION, BODY * 2),
        _envelope(ACTION, b"</s:Body><s:Body>" + BODY),
        b"<a>" * 10_000,
    ],
)
def test_what_is_no_envelope_is_a_fault_of_the_sender(data: bytes) -> None:
    """Broken XML, foreign roots, wrong order, no body or two: always a Sender fault, status 400."""
    fault = _refused(data)

    assert fault.code is FaultCode.SENDER
    assert fault.http_status == 400
    _validate(write_fault(fault))


@pytest.mark.parametrize("number", [200, 100_000])
def test_a_hostile_envelope_is_refused_fast_and_the_fault_is_small(number: int) -> None:
    """Any number of strange headers costs little, and they are not all sent back."""
    data = _envelope(ACTION + '<x s:mustUnderstand="1"/>' * number)

    fault = _refused(data)

    assert len(write_fault(fault)) < 4_000


def test_the_charset_of_the_content_type_is_believed() -> None:
    """A declaration that contradicts the Content-Type does not garble names."""
    data = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + _envelope(ACTION, "<a>ž</a>".encode())

    assert read_envelope(data, encoding="utf-8").body.text == "ž"


def test_a_tree_already_parsed_is_read_the_same_way() -> None:
    """Once attachments are put back, the tree itself is read."""
    root = parse_xml(_envelope(ACTION))

    assert isinstance(read_envelope_tree(root), Envelope)
    assert read_envelope_tree(root).root is root


@pytest.mark.parametrize(
    ("fault", "action"),
    [
        (Fault(code=FaultCode.SENDER, reason="a < b", subcode="wsse:FailedCheck"), FAULT_ACTION),
        (
            Fault(code=FaultCode.SENDER, reason="x", subcode="wsa:ActionNotSupported"),
            WSA_FAULT_ACTION,
        ),
        (Fault(code=FaultCode.RECEIVER, reason="x"), FAULT_ACTION),
        (Fault(code=FaultCode.MUST_UNDERSTAND, reason="x"), FAULT_ACTION),
        (Fault(code=FaultCode.VERSION_MISMATCH, reason="x"), FAULT_ACTION),
    ],
)
def test_a_written_fault_reads_back(fault: Fault, action: str) -> None:
    """Code, subcode and reason survive; addressing's own faults have their own action."""
    envelope = read_envelope(write_fault(fault, message_id="m", relates_to="r"))

    assert read_fault(envelope) == fault
    assert envelope.action == action
    assert envelope.relates_to == "r"


def test_a_fault_reason_can_always_be_written() -> None:
    """A reason with control characters is cleaned; an error answer must not fail itself."""
    fault = Fault(code=FaultCode.SENDER, reason="bad \x00 byte")

    read = read_fault(read_envelope(write_fault(fault)))

    assert read is not None
    assert read.reason == "bad \ufffd byte"


def test_a_subcode_without_known_namespace_is_not_written() -> None:
    """A QName needs its namespace; a made-up prefix is our own mistake."""
    with pytest.raises(EncodeError):
        write_fault(Fault(code=FaultCode.SENDER, reason="x", subcode="nix:Nix"))


def test_a_foreign_fault_is_read_whatever_its_prefixes() -> None:
    """Codes are QNames: the namespace counts, the English reason is preferred."""
    body = (
        f'<f:Fault xmlns:f="{SOAP}"><f:Code><f:Value xmlns:q="{SOAP}">\n q:Sender </f:Value>'
        f'<f:Subcode><f:Value xmlns:w="{WSSE}">w:InvalidSecurity</f:Value></f:Subcode></f:Code>'
        '<f:Reason><f:Text xml:lang="de">nein</f:Text><f:Text xml:lang="en-GB">no</f:Text>'
        "</f:Reason></f:Fault>"
    ).encode()

    fault = read_fault(read_envelope(_envelope("", body), require_action=False))

    assert fault == Fault(code=FaultCode.SENDER, reason="no", subcode="wsse:InvalidSecurity")


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"<s:Code/>",
        b"<s:Code><s:Value>Blame</s:Value></s:Code>",
        b"<s:Code><s:Value xmlns:x='urn:x'>x:Sender</s:Value></s:Code>",
        b"<s:Code><s:Value>x:y:z</s:Value></s:Code>",
    ],
)
def test_a_fault_without_a_proper_code_blames_the_receiver(inner: bytes) -> None:
    """Half a fault is a fault, and never a crash."""
    envelope = read_envelope(_envelope(ACTION, b"<s:Fault>" + inner + b"</s:Fault>"))

    fault = read_fault(envelope)

    assert fault is not None
    assert fault.code is FaultCode.RECEIVER


def test_an_ordinary_body_is_no_fault() -> None:
    """A fault is recognised by its element, not by a status."""
    assert read_fault(read_envelope(_envelope(ACTION))) is None


@pytest.mark.parametrize(
    ("value", "media_type", "parameters"),
    [
        ("", "", {}),
        (";", "", {}),
        ("application/soap+xml", "application/soap+xml", {}),
        (
            'Application/SOAP+XML ;Charset = utf-8;action="urn:a"',
            "application/soap+xml",
            {"charset": "utf-8", "action": "urn:a"},
        ),
        (
            'multipart/related; boundary="uuid:1;2=3"; start-info="a; action=\\"b\\""; start=<r@x>',
            "multipart/related",
            {"boundary": "uuid:1;2=3", "start-info": 'a; action="b"', "start": "<r@x>"},
        ),
        ("a/b; x; =y; x=1; X=2; z=", "a/b", {"x": "1", "z": ""}),
        ('a/b; x="open', "a/b", {"x": "open"}),
    ],
)
def test_content_types_are_read_as_peers_write_them(
    value: str, media_type: str, parameters: dict[str, str]
) -> None:
    """Any case, order and quoting; what is no parameter is passed over."""
    assert parse_content_type(value) == (media_type, parameters)


@pytest.mark.parametrize("piece", ["b", "b ", "b=", 'b="', 'b=" \\', " ", ";", "="])
def test_a_hostile_content_type_is_read_in_linear_time(piece: str) -> None:
    """A header of 200 kB of any pattern costs no more than reading it."""
    parse_content_type("a/b;" + piece * (200_000 // len(piece)))


def test_our_content_type_reads_back() -> None:
    """Quotes and backslashes in an action are escaped; line ends cannot get into a header."""
    media_type, parameters = parse_content_type(simple_content_type('urn:"a\\b'))

    assert media_type == "application/soap+xml"
    assert parameters == {"charset": "UTF-8", "action": 'urn:"a\\b'}
    with pytest.raises(EncodeError):
        quote_parameter("a\r\nb")


@pytest.mark.parametrize(
    "folder", ["iti-38", "iti-39", "iti-55", "rad-69", "rad-75", "constructed", "saml"]
)
def test_published_samples_are_read_and_written_again(folder: str) -> None:
    """Stored messages are read; those stored without envelope are read once they have one."""
    for path in sorted(Path(shared(f"samples/soap/{folder}")).rglob("*.xml")):
        data = path.read_bytes()
        if b"Envelope>" not in data:
            data = write_envelope(etree.tostring(parse_xml(data)), action="urn:a")

        envelope = read_envelope(data, require_action=False)

        read_fault(envelope)
        again = write_envelope(etree.tostring(envelope.body), action=envelope.action or "urn:a")
        assert read_envelope(again).body.tag == envelope.body.tag


def test_the_published_fault_of_a_wire_log_is_read() -> None:
    """A fault of a live server, with prefixes of its own and no Action, is a Sender fault."""
    data = Path(shared("samples/soap/wire/toolkit2-boundary-response_body.txt")).read_bytes()

    fault = read_fault(read_envelope(data, require_action=False))

    assert fault is not None
    assert fault.code is FaultCode.SENDER
    assert "MTOM is required" in fault.reason


def test_the_published_simple_request_of_a_wire_log_is_read() -> None:
    """A request with mustUnderstand on all its headers, as an Axis2 client sends it."""
    data = Path(shared("samples/soap/wire/toolkit2-http-simple.txt")).read_bytes()
    body = data.partition(b"\n\n")[2]

    envelope = read_envelope(body)

    assert envelope.action == "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
    assert envelope.message_id.startswith("urn:uuid:")
    assert next(envelope.body.iter(f"{{{XOP}}}Include"), None) is not None
