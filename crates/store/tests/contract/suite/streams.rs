use super::Engine;
use super::sample::*;

pub(crate) async fn a_client_has_one_stream_which_only_moves_on<E: Engine>() {
    let mut engine = E::start().await;
    let store = engine.store();
    let (first, other) = (stream("siem", 7), stream("other", 0));
    for stream in [&first, &other] {
        store.put_stream(stream).await.unwrap();
    }
    assert_eq!(store.find_stream(&first.client).await.unwrap(), Some(first.clone()));
    for (place, want) in [(9, 9), (8, 9), (9, 9)] {
        store.advance_stream(first.id, place).await.unwrap();
        assert_eq!(store.find_stream(&first.client).await.unwrap().unwrap().taken_up_to, want, "to {place}");
    }
    let next = stream("siem", 1);
    store.put_stream(&next).await.unwrap();
    drop(store);
    engine.restart().await;
    let store = engine.store();
    let mut all = store.list_streams().await.unwrap();
    all.sort_by_key(|stream| stream.taken_up_to);
    assert_eq!(all, [other.clone(), next], "one took the place of the other");
    store.remove_stream(other.id).await.unwrap();
    store.remove_stream(other.id).await.unwrap();
    assert_eq!(store.find_stream(&other.client).await.unwrap(), None);
}
