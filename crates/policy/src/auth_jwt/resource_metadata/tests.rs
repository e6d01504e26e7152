use super::*;

fn parse(arguments: &[&str]) -> Result<ResourceMetadata, String> {
    ResourceMetadata::parse(arguments.iter().map(|argument| argument.as_bytes()))
        .map_err(|error| error.to_string())
}

#[test]
fn arguments_that_are_none_are_refused() {
    for (arguments, error) in [
        (
            &[][..],
            "resource= is missing, the URL by which clients know the resource",
        ),
        (
            &["name=x"],
            "resource= is missing, the URL by which clients know the resource",
        ),
        (
            &["https://a.example"],
            "invalid parameter \"https://a.example\"",
        ),
        (&["resource"], "invalid parameter \"resource\""),
        (
            &["Resource=https://a.example"],
            "invalid parameter \"Resource=https://a.example\"",
        ),
        (&["issuer=x"], "invalid parameter \"issuer=x\""),
        (&["=x"], "invalid parameter \"=x\""),
        (
            &["resource=https://a.example", "resource=https://b.example"],
            "duplicate parameter \"resource=https://b.example\"",
        ),
        (
            &["resource=https://a.example", "scopes=a", "scopes=b"],
            "duplicate parameter \"scopes=b\"",
        ),
        (&["resource="], "value of resource= is empty: \"\""),
        (
            &["resource=https://a.example", "name="],
            "value of name= is empty: \"\"",
        ),
        (&["scopes="], "value of scopes= is empty: \"\""),
        (
            &["name=a\nb"],
            "value of name= is not printable: \"a\\x0ab\"",
        ),
        (
            &["resource=https://$host/"],
            "value of resource= is not constant, and variables are not allowed here: \
             \"https://$host/\"",
        ),
        (
            &["resource=/mcp"],
            "value of resource= does not begin with \"https://\" or \"http://\": \"/mcp\"",
        ),
        (
            &["resource=https://a.example/#x"],
            "value of resource= has a \"#\": \"https://a.example/#x\"",
        ),
        (
            &["resource=https://u@a.example/"],
            "value of resource= has a user name in front of the host: \"https://a.example/\"",
        ),
        (
            &["resource=https://user:secret@a.example/$x"],
            "value of resource= is not constant, and variables are not allowed here: \
             \"https://a.example/$x\"",
        ),
        (
            &["resource=http://unix:/run/a:/"],
            "value of resource= has an invalid host name: \"http://unix:/run/a:/\"",
        ),
        (
            &["resource=https://a.example", "documentation=docs"],
            "value of documentation= does not begin with \"https://\" or \"http://\": \"docs\"",
        ),
        (&["scopes=a  b"], "invalid scope \"\""),
        (&["scopes= a"], "invalid scope \"\""),
        (&["scopes=a b\""], "invalid scope \"b\\\"\""),
        (&["scopes=a ö"], "invalid scope \"\\xc3\\xb6\""),
    ] {
        assert_eq!(parse(arguments), Err(error.to_owned()), "{arguments:?}");
    }
    let not_text: &[u8] = b"name=\xff";
    assert!(ResourceMetadata::parse([not_text]).is_err());
}

#[test]
fn the_document_has_what_is_known() {
    let least = parse(&["resource=https://mcp.example.com"]).unwrap();
    assert_eq!(
        least.document([]),
        r#"{"bearer_methods_supported":["header"],"resource":"https://mcp.example.com"}"#
    );
    let all = parse(&[
        "resource=https://mcp.example.com/mcp?a=b",
        "scopes=read write read tools:call",
        "name=The \"tools\" \\ & <b>ö",
        "documentation=https://docs.example.com/",
    ])
    .unwrap();
    let issuers = [
        "https://a.example",
        "https://b.example/",
        "https://a.example",
    ];
    let expected = concat!(
        r#"{"authorization_servers":["https://a.example","https://b.example/"],"#,
        r#""bearer_methods_supported":["header"],"#,
        r#""resource":"https://mcp.example.com/mcp?a=b","#,
        r#""resource_documentation":"https://docs.example.com/","#,
        r#""resource_name":"The \"tools\" \\ & <b>ö","#,
        r#""scopes_supported":["read","write","tools:call"]}"#,
    );
    assert_eq!(all.document(issuers), expected);
}

#[test]
fn https_and_loopback_are_told_apart() {
    for (resource, is_https, is_local) in [
        ("https://a.example", true, false),
        ("HTTPS://a.example", true, false),
        ("http://a.example", false, false),
        ("http://127.0.0.1:8080/mcp", false, true),
        ("http://[::1]/", false, true),
    ] {
        let metadata = parse(&[&format!("resource={resource}")]).unwrap();
        assert_eq!(metadata.is_https(), is_https, "{resource}");
        assert_eq!(metadata.is_local(), is_local, "{resource}");
    }
}
