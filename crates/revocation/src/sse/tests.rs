use proptest::prelude::*;

use super::*;

fn event(id: Option<&str>, event: &str, data: &str) -> Event {
    Event { id: id.map(Into::into), event: event.into(), data: data.into() }
}

#[test]
fn streams_and_their_events() {
    let cases: [(&str, &str, Vec<Event>); 15] = [
        ("one_event", "id: 1\nevent: e\ndata: d\n\n", vec![event(Some("1"), "e", "d")]),
        ("no_space_after_the_colon", "id:1\nevent:e\ndata:d\n\n", vec![event(Some("1"), "e", "d")]),
        ("only_one_space_is_removed", "data:  d \n\n", vec![event(None, "", " d ")]),
        ("carriage_returns", "event: e\rdata: d\r\r", vec![event(None, "e", "d")]),
        ("both", "event: e\r\ndata: d\r\n\r\n", vec![event(None, "e", "d")]),
        ("several_data_lines", "data: a\ndata\ndata: b\n\n", vec![event(None, "", "a\n\nb")]),
        ("empty_data", "data\n\n", vec![event(None, "", "")]),
        ("no_data_no_event", "event: e\nid: 1\n\ndata: d\n\n", vec![event(Some("1"), "", "d")]),
        (
            "the_id_stays",
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            vec![event(Some("1"), "", "a"), event(Some("1"), "", "b"), event(Some(""), "", "c")],
        ),
        ("an_id_with_nul_is_no_id", "id: 1\0\ndata: d\n\n", vec![event(None, "", "d")]),
        ("comments_and_unknown_fields", ": hi\nretry: 10\nfoo: bar\ndata: d\n\n", vec![event(None, "", "d")]),
        ("byte_order_mark_at_the_start", "\u{feff}data: d\n\n", vec![event(None, "", "d")]),
        ("byte_order_mark_later", "data: a\n\n\u{feff}data: d\n\n", vec![event(None, "", "a")]),
        ("unfinished", "data: d\n", vec![]),
        ("colons_in_the_value", "data: {\"a\":1}\n\n", vec![event(None, "", "{\"a\":1}")]),
    ];
    for (name, stream, want) in cases {
        assert_eq!(Parser::new().push(stream.as_bytes()), Ok(want), "{name}");
    }
}

#[test]
fn bytes_that_are_not_utf8_do_not_end_the_stream() {
    let events = Parser::new().push(b"data: \xff\n\ndata: d\n\n").unwrap();
    assert_eq!(events, [event(None, "", "\u{fffd}"), event(None, "", "d")]);
}

#[test]
fn lengths_at_their_limits() {
    let line = |len: usize| format!("data:{}\n", "x".repeat(len - 5));
    let longest = line(Parser::MAX_LINE);
    let cases = [
        ("longest_line", longest.clone(), Ok(0)),
        ("longest_line_unfinished", longest.trim_end().to_owned(), Ok(0)),
        ("line_one_longer", line(Parser::MAX_LINE + 1), Err(ParseError::LineTooLong)),
        ("endless_comment", ":".repeat(Parser::MAX_LINE + 1), Err(ParseError::LineTooLong)),
        ("many_lines", longest.repeat(4), Ok(0)),
        ("too_many_lines", longest.repeat(5), Err(ParseError::EventTooLong)),
        ("many_events", format!("{longest}\n").repeat(9), Ok(9)),
        ("endless_empty_data", "data\n".repeat(Parser::MAX_DATA + 1), Err(ParseError::EventTooLong)),
    ];
    for (name, stream, want) in cases {
        assert_eq!(Parser::new().push(stream.as_bytes()).map(|events| events.len()), want, "{name}");
    }
}

proptest! {
    #[test]
    fn where_a_stream_is_cut_makes_no_difference(
        stream in "(id: ?[0-9]|event: a|data: ?é|data|:c|\r|\n|\r\n|x|\u{feff}){0,40}",
        cuts in proptest::collection::vec(0usize..200, 0..8),
    ) {
        let whole = Parser::new().push(stream.as_bytes()).unwrap();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut parser = Parser::new();
        let mut pieces = Vec::new();
        for pair in cuts.windows(2) {
            pieces.extend(parser.push(&stream.as_bytes()[pair[0]..pair[1]]).unwrap());
        }
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_event_is_one_event_on_the_wire(id in ".*", name in ".*", data in "(.|\r|\n){0,40}") {
        let sent = Event { id: Some(id), event: name, data };
        let events = Parser::new().push(sent.to_frame().as_bytes()).unwrap();
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(&events[0].data, &sent.data.replace("\r\n", "\n").replace('\r', "\n"));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Parser::new().push(&bytes);
    }
}
