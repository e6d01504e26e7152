use super::*;

#[test]
fn http_is_accepted_only_where_nobody_is_on_the_way() {
    use ProxyPlace::{Elsewhere, ThisMachine};
    use RouteError as E;
    const LOCAL: &str = "http://127.0.0.1/";
    const REMOTE: &str = "http://login.test/";
    const SOCKET: &str = "http://unix:/a:/";
    for (url, proxy, strict, insecure) in [
        (REMOTE, None, Err(E::Insecure), Ok(())),
        (REMOTE, Some(ThisMachine), Err(E::Insecure), Ok(())),
        (REMOTE, Some(Elsewhere), Err(E::Insecure), Ok(())),
        (LOCAL, None, Ok(()), Ok(())),
        (LOCAL, Some(ThisMachine), Ok(()), Ok(())),
        (LOCAL, Some(Elsewhere), Err(E::InsecureByProxy), Ok(())),
        (
            "http://[::1]/",
            Some(Elsewhere),
            Err(E::InsecureByProxy),
            Ok(()),
        ),
        ("https://login.test/", Some(Elsewhere), Ok(()), Ok(())),
        ("https://127.0.0.1/", Some(Elsewhere), Ok(()), Ok(())),
        (SOCKET, None, Ok(()), Ok(())),
        (
            SOCKET,
            Some(ThisMachine),
            Err(E::SocketByProxy),
            Err(E::SocketByProxy),
        ),
        (
            SOCKET,
            Some(Elsewhere),
            Err(E::SocketByProxy),
            Err(E::SocketByProxy),
        ),
        (
            "https://unix:/a:/",
            Some(Elsewhere),
            Err(E::SocketByProxy),
            Err(E::SocketByProxy),
        ),
    ] {
        let parsed = HttpUrl::parse(url).unwrap();
        for (is_insecure, expected) in [(false, strict), (true, insecure)] {
            let route = KeyRoute {
                insecure: is_insecure,
                proxy,
            };
            assert_eq!(route.check(&parsed), expected, "{url} {route:?}");
        }
    }
}
