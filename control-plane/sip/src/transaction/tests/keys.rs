use super::*;

fn key(text: &str) -> ServerKey {
    ServerKey::of(&message(text)).unwrap()
}

#[test]
fn branch_sender_and_method_make_a_transaction() {
    let invite = phone("INVITE");
    assert_eq!(
        key(&invite),
        key(&phone("ACK")),
        "an ACK belongs to its INVITE"
    );
    assert_ne!(key(&invite), key(&phone("CANCEL")));
    assert_eq!(
        ServerKey::cancelled_by(&message(&phone("CANCEL"))),
        Some(key(&invite))
    );
    assert_ne!(
        key(&invite),
        key(&invite.replace("z9hG4bKphone", "z9hG4bKphonf"))
    );
    assert_ne!(
        key(&invite),
        key(&invite.replace("192.0.2.10", "192.0.2.11"))
    );
    assert_ne!(
        key(&invite),
        key(&invite.replace("192.0.2.10;", "192.0.2.10:5070;"))
    );
    let named = invite.replace("192.0.2.10", "Phone.Example");
    assert_eq!(
        key(&named),
        key(&named.replace("Phone.Example:5060", "phone.example"))
    );
}

#[test]
fn old_phones_without_the_magic_cookie_are_told_apart_by_their_headers() {
    let old = |method: &str| phone(method).replace("z9hG4bKphone", "1");
    assert_eq!(key(&old("INVITE")), key(&old("ACK")));
    assert_ne!(
        key(&old("INVITE")),
        key(&old("INVITE").replace("CSeq: 1", "CSeq: 2"))
    );
    assert_ne!(
        key(&old("INVITE")),
        key(&old("INVITE").replace("tag=a", "tag=b"))
    );
    assert_ne!(key(&old("INVITE")), key(&old("INVITE").replace("c1", "c2")));
    let bare = old("INVITE").replace(";branch=1", "");
    assert_eq!(key(&bare), key(&bare));
}

#[test]
fn branches_and_tags_name_their_node() {
    let branch = branch(NodeId(255), ClientKey(u64::MAX));
    assert_eq!(
        branch_owner(&branch),
        Some((NodeId(255), ClientKey(u64::MAX)))
    );
    assert_eq!(tag_owner(&tag(NodeId(3), "x.y")), Some(NodeId(3)));
    for foreign in [
        "z9hG4bK",
        "z9hG4bK1",
        "z9hG4bK1.2",
        "1.0000000000000001",
        "cn",
        "cnz.1",
        "",
    ] {
        assert_eq!(branch_owner(foreign), None, "{foreign}");
        assert_eq!(tag_owner(foreign), None, "{foreign}");
    }
}

#[test]
fn keys_survive_storage() {
    let key = key(&phone("INVITE"));
    let stored = rmp_serde::to_vec_named(&key).unwrap();
    assert_eq!(rmp_serde::from_slice::<ServerKey>(&stored).unwrap(), key);
}
