//! Mails that are broken, huge or meant to harm: always an answer, and in bounded time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use channels::email::{MAX_BYTES, MAX_HEADER_BYTES, Mail, Unreadable, attachment, read};
use contract::MailKind;

use crate::mail_corpus::ourselves;

pub(crate) const HEAD: &str =
    "From: Ana <ana@example.org>\r\nTo: support@taskflow.example\r\nSubject: x\r\n";

/// Far above what any takes in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn of(raw: impl AsRef<[u8]>) -> Mail {
    let start = Instant::now();
    let mail = read(raw.as_ref(), &ourselves()).unwrap();
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    mail
}

pub(crate) fn plain(body: &str) -> Mail {
    of(format!("{HEAD}\r\n{body}"))
}

fn html(body: &str) -> String {
    of(format!("{HEAD}Content-Type: text/html; charset=utf-8\r\n\r\n{body}")).text
}

/// What an event of it takes at most beside its fixed fields.
pub(crate) fn size(mail: &Mail) -> usize {
    let lists = [&mail.in_reply_to, &mail.references, &mail.to, &mail.cc];
    let files = mail.attachments.iter().map(|file| file.name.len() + file.content_type.len() + 20);
    lists.iter().flat_map(|list| list.iter()).map(|item| item.len() + 4).sum::<usize>()
        + files.sum::<usize>()
        + mail.text.len()
        + mail.original_text.as_ref().map_or(0, String::len)
        + mail.subject.len()
}

#[test]
fn a_mail_or_a_header_block_over_its_limit_is_unreadable() {
    let large = format!("{HEAD}\r\n{}", "x".repeat(MAX_BYTES));
    let headers = format!("{HEAD}X-Long: {}\r\n\r\ntext", "x".repeat(MAX_HEADER_BYTES));

    assert_eq!(read(large.as_bytes(), &ourselves()), Err(Unreadable::TooLarge));
    assert_eq!(read(headers.as_bytes(), &ourselves()), Err(Unreadable::HeadersTooLarge));
    assert_eq!(read(b"", &ourselves()), Err(Unreadable::NoHeaders));
    assert_eq!(read(b"no header here", &ourselves()), Err(Unreadable::NoHeaders));
}

#[test]
fn a_mail_without_from_is_its_senders_and_without_any_sender_unreadable() {
    let without =
        |extra: &str| read(format!("Subject: x\r\n{extra}\r\nHello").as_bytes(), &ourselves());

    assert_eq!(without("Sender: a@example.org\r\n").unwrap().from, "a@example.org");
    assert_eq!(without("Return-Path: <b@example.org>\r\n").unwrap().from, "b@example.org");
    assert_eq!(without(""), Err(Unreadable::NoSender));
    assert_eq!(without("X-Failed-Recipients: a@example.org\r\n").unwrap().kind, MailKind::Bounce);
}

#[test]
fn the_first_of_two_froms_is_the_sender() {
    let mail = of("From: a@example.org\r\nFrom: b@example.org\r\n\r\nHi");

    assert_eq!(mail.from, "a@example.org");
}

#[test]
fn a_line_of_ten_megabytes_is_cut_with_a_mark() {
    let mail = plain(&"word ".repeat(2 << 20));

    assert!(mail.text.ends_with(contract::CUT_MARK) && mail.text.len() <= 80 << 10);
}

#[test]
fn three_hundred_parts_inside_each_other_are_opened_to_a_depth_and_no_further() {
    let mut body = String::from(HEAD);
    for depth in 0..300 {
        write!(body, "Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\nContent-Type: text/plain\r\n\r\nlevel {depth}\r\n--b{depth}\r\n").unwrap();
    }
    let mail = of(&body);

    assert!(mail.text.starts_with("level 0"));
    assert!(mail.text.contains("level 19") && !mail.text.contains("level 21"));
}

#[test]
fn mails_inside_mails_are_files_however_deep_they_go() {
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let mail = of(format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n--b\r\n{nested}"
    ));

    assert_eq!(mail.text, "Hello");
    assert_eq!(mail.attachments.first().unwrap().content_type, "message/rfc822");
}

#[test]
fn a_million_parts_cost_no_more_than_three_hundred() {
    let parts = "--b\n\nx\n".repeat(1 << 20);
    let mail = of(format!("{HEAD}Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--"));

    assert!(mail.text.starts_with('x') && size(&mail) < 200 << 10);
}

#[test]
fn five_thousand_recipients_leave_an_event_small() {
    let to: Vec<String> = (0..5_000).map(|n| format!("person{n}@example.org")).collect();
    let ids: String = (0..2_000).map(|n| format!("<id{n}@example.org>\r\n ")).collect();
    let mail = of(format!(
        "From: a@example.org\r\nTo: {}\r\nReferences: {ids}\r\n\r\nHi",
        to.join(",\r\n ")
    ));

    assert!(mail.to.len() > 500 && size(&mail) < 200 << 10);
    assert_eq!(mail.references.last().unwrap(), "id1999@example.org");
}

#[test]
fn html_that_nests_or_breaks_without_end_is_read_in_linear_time() {
    let many = 100_000;
    for hostile in [
        "<div>".repeat(many),
        "<b><p>".repeat(many),
        "<a \"".repeat(many),
        "<a '\"".repeat(many) + ">",
        "<table><tr><td>".repeat(many / 3),
        format!("<p {}>x", "a=1 ".repeat(many)),
        "<!--".repeat(many),
        "<style>".repeat(many),
        "</".repeat(many),
        "&".repeat(many * 2),
        "<".repeat(many * 4),
        format!("<style>{}</style>", ".a{display:none}".repeat(many / 4)),
        format!("<style>{}", "@media{".repeat(many / 2)),
        "<blockquote type=cite>".repeat(many / 5),
    ] {
        let text = html(&format!("<p>Hello there</p>{hostile}"));
        assert!(text.starts_with("Hello there"), "{}", &hostile[..20]);
    }
}

#[test]
fn what_an_eye_would_not_see_is_no_text() {
    for hidden in [
        "<div style='display:none'>EVIL</div>",
        "<div style=\"DISPLAY : none !important\">EVIL<b>EVIL</b></div>",
        "<span hidden>EVIL</span>",
        "<span style='font-size:0px'>EVIL</span>",
        "<span style='font-size:1px;color:#fff'>EVIL</span>",
        "<font color=white>EVIL</font>",
        "<p style='color:#FEFEFE'>EVIL</p>",
        "<td bgcolor='#003366'><span style='color:rgb(0, 51, 102)'>EVIL</span></td>",
        "<div style='visibility:hidden'>EVIL</div>",
        "<div style='opacity:0'>EVIL</div>",
        "<div style='max-height:0;overflow:hidden'>EVIL</div>",
        "<div style='position:absolute;left:-9999px'>EVIL</div>",
        "<div style='mso-hide:all'>EVIL</div>",
        "<div class='a pre'>EVIL</div><style>/* x */ .x, div.pre { display:none }</style>",
        "<template>EVIL</template>",
        "<script>EVIL</script><style>EVIL</style><title>EVIL</title>",
        "<!-- EVIL --><img src='data:text/plain,EVIL' alt='EVIL'><img src='cid:EVIL'>",
        "<a href='https://example.org' style='display:none'>EVIL</a>",
        "<a href='javascript:EVIL'> </a>",
    ] {
        let text = html(&format!("<p>Hello</p>{hidden}<p>there</p>"));
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["Hello", "there"], "{hidden}");
    }
}

#[test]
fn what_an_eye_would_see_is_text() {
    for shown in [
        "<td bgcolor='#036'><a style='color:#fff'>press here</a></td>",
        "<td style='font-size:0'><div style='font-size:14px'>press here</div></td>",
        "<div style='background:url(x.png)'><font color='white'>press here</font></div>",
        "<style>@media screen { .m { display:none } }</style><p class=m>press here</p>",
        "<p>press<b> here</p></b>",
        "<P>press here<",
        "press&nbsp;here",
        "<ul><li>press here</ul>",
    ] {
        let text = html(&format!("<p>Hello</p>{shown}"));
        assert!(
            text.replace("- ", "")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .starts_with("Hello press here"),
            "{shown}: {text}"
        );
    }
}

#[test]
fn links_keep_their_address_where_the_text_does_not_say_it() {
    let text = html(
        "<a href='https://example.org/a?b=1&amp;c=2'>this page</a> <a href='https://example.org/'>example.org</a> <a href='mailto:a@example.org'>a@example.org</a>",
    );

    assert_eq!(text, "this page (https://example.org/a?b=1&c=2) example.org a@example.org");
}

#[test]
fn a_file_is_told_by_its_part_and_can_be_read_by_it() {
    let mail = format!(
        "{HEAD}Content-Type: multipart/mixed; boundary=\"b \"\r\n\r\n--b\r\n\r\nsee file\r\n--b\r\nContent-Type: application/x-msdownload; name=\"a.txt\"\r\nContent-Disposition: attachment; filename*0*=utf-8''..%2F..%2Finv%E2%80%AEfdp; filename*1=.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\n--b--"
    );
    let found = of(&mail);
    let file = found.attachments.first().unwrap();

    assert_eq!((file.name.as_str(), file.size, file.part), ("invfdp.exe", 5, 2));
    let read = attachment(mail.as_bytes(), file.part).unwrap();
    assert_eq!((read.bytes.as_slice(), read.name.as_str()), (&b"Hello"[..], "invfdp.exe"));
    assert_eq!(read.content_type, "application/x-msdownload");
    assert_eq!(attachment(mail.as_bytes(), 0), None);
    assert_eq!(attachment(mail.as_bytes(), 1), None);
    assert_eq!(attachment(mail.as_bytes(), 99), None);
}

#[test]
fn an_answer_goes_to_reply_to_only_where_that_is_sane() {
    let to = |reply: &str| of(format!("Reply-To: {reply}\r\n{HEAD}\r\nHi")).reply_to;

    assert_eq!(to("other@example.net"), "other@example.net");
    assert_eq!(to("Support <support+x@taskflow.example>, b@example.net"), "b@example.net");
    for insane in ["", "nobody", "no-reply@example.net", "support@taskflow.example", "a b@c d"] {
        assert_eq!(to(insane), "ana@example.org", "{insane}");
    }
}

#[test]
fn the_forms_that_mail_takes_are_read() {
    let smime = of(format!(
        "{HEAD}Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAGCSqG"
    ));
    assert_eq!((smime.text.as_str(), smime.attachments.len()), ("", 1));

    let bare = plain("a\nb\r\nc");
    assert_eq!(bare.text, "a\nb\nc");

    let poor = of(format!(
        "{HEAD}Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nView this email in your browser\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>The export is empty.</p>"
    ));
    assert_eq!(poor.text, "The export is empty.");

    let none = of(format!("{HEAD}Content-Type: multipart/mixed\r\n\r\nno boundary at all"));
    assert_eq!(none.text, "no boundary at all");

    let turned = plain("\u{202b}שלום, מה שלומך?\u{202c} 👩‍👩‍👧 e\u{301}");
    assert!(turned.text.contains("שלום") && turned.text.contains("👩‍👩‍👧 é"));
}

#[test]
fn answers_between_the_lines_of_a_quote_are_kept_with_it() {
    let top = "See below.\n\n";
    let quote = "On Mon, 5 Jan 2026 at 10:31, A <a@b.example> wrote:\n> Which browser?\nFirefox.\n\n> And which system?\nLinux.";
    let tail = "\n> Thank you\n> The team\n";

    assert_eq!(plain(&format!("{top}{quote}{tail}")).text, format!("{top}{quote}"));
    assert_eq!(plain(&format!("{quote}{tail}")).text, quote);
}

#[test]
fn only_a_signature_or_only_a_quote_stays_whole() {
    assert_eq!(
        plain("-- \r\nAna Ruiz\r\nOffice").text,
        "-- \nAna Ruiz\nOffice".replace("-- ", "--")
    );
    assert_eq!(plain("> did it work?\r\n").text, "> did it work?");
    assert_eq!(plain("").text, "");
}
