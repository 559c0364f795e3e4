//! Every transition of the connection's state.

use ConnectionState::{Authenticated, Authenticating, Connected, Connecting, Disconnected, Reconnecting};

use super::*;

/// The next states are these.
async fn expect(watch: &mut Watch, states: &[ConnectionState]) {
    for state in states {
        assert_eq!(watch.next().await, Some(*state));
    }
}

fn with_token() -> Config {
    Config { token: Some("s3cret".parse().unwrap()), ..config() }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_a_connection_is_made_lost_and_made_again() {
    let (client, mut door) = start(config());
    let mut watch = client.watch();
    expect(&mut watch, &[Connecting]).await;
    let peer = door.accept().await;
    expect(&mut watch, &[Connected]).await;
    drop(peer);
    expect(&mut watch, &[Disconnected, Reconnecting]).await;
    let mut peer = door.accept().await;
    expect(&mut watch, &[Connected]).await;
    tokio::join!(client.close(), async { while peer.maybe_next().await.is_some() {} });
    expect(&mut watch, &[Disconnected]).await;
    assert_eq!(watch.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn with_a_token_a_connection_is_authenticated_each_time() {
    let (client, mut door) = start(with_token());
    let mut watch = client.watch();
    let peer = door.accept().await;
    expect(&mut watch, &[Connecting, Connected, Authenticating, Authenticated]).await;
    assert_eq!(client.state(), Authenticated);
    drop(peer);
    expect(&mut watch, &[Disconnected, Reconnecting]).await;
    let _peer = door.accept().await;
    expect(&mut watch, &[Connected, Authenticating, Authenticated]).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_leads_back_from_wherever_it_was() {
    let (client, mut door) = start(with_token());
    let mut watch = client.watch();
    door.refuse().await;
    expect(&mut watch, &[Connecting, Reconnecting]).await;
    // It hangs up when the token is shown, then does not like something else, then takes too long.
    drop(door.pipe().await);
    expect(&mut watch, &[Connected, Authenticating, Reconnecting]).await;
    door.answer(StatusCode::BAD_GATEWAY).await;
    expect(&mut watch, &[Connected, Authenticating, Reconnecting]).await;
    let _silent = door.pipe().await;
    expect(&mut watch, &[Connected, Authenticating, Reconnecting]).await;
    let _peer = door.accept().await;
    expect(&mut watch, &[Connected, Authenticating, Authenticated]).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_the_end() {
    let (client, mut door) = start(with_token());
    let mut watch = client.watch();
    door.answer(StatusCode::UNAUTHORIZED).await;
    expect(&mut watch, &[Connecting, Connected, Authenticating, Disconnected]).await;
    assert_eq!(watch.next().await, None);
    assert_eq!(client.watch().next().await, Some(Disconnected));
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_is_the_end() {
    let (client, mut door) = start(Config { reconnect: Reconnect::at_most(1), ..config() });
    let mut states = std::pin::pin!(client.watch().into_stream());
    door.refuse().await;
    door.refuse().await;
    let mut seen = Vec::new();
    while let Some(state) = states.next().await {
        seen.push(state.as_str());
    }
    assert_eq!(seen, ["connecting", "reconnecting", "disconnected"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_watches_slowly_goes_on_with_the_newest() {
    let states = super::super::state::States::new();
    let mut watch = states.watch();
    for _ in 0..STATES_MAX {
        states.enter(Reconnecting);
        states.enter(Connected);
    }
    states.enter(Reconnecting);
    states.end();
    let mut last = None;
    let mut count = 0;
    while let Some(state) = watch.next().await {
        last = Some(state);
        count += 1;
    }
    assert_eq!(last, Some(Disconnected));
    assert!(count <= STATES_MAX + 1, "{count}");
}
