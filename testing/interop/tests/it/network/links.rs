//! Loss and delay.

#![expect(clippy::disallowed_methods, reason = "measures real delays")]

use std::{
    io::Write as _,
    net::UdpSocket,
    thread,
    time::{Duration, Instant},
};

use securecall_interop::network::{Delay, Impairment, Link, Nat, Network, Outages};

use super::{address, next, next_in_time, seen, send, socket};

/// How many of 1,000 datagrams come through, a hundred at a time, so that no buffer loses any.
fn count(from: &UdpSocket, to: &UdpSocket) -> usize {
    to.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    (0..10)
        .map(|round| count_a_hundred(from, to, &format!("end of {round}")))
        .sum()
}

fn count_a_hundred(from: &UdpSocket, to: &UdpSocket, end: &str) -> usize {
    for _ in 0..100 {
        send(from, "counted", address(to));
    }
    let mut count = 0;
    loop {
        // Until one of them is not lost.
        send(from, end, address(to));
        while let Some((text, _)) = next_in_time(to) {
            if text == end {
                return count;
            }
            count += usize::from(text == "counted");
        }
    }
}

#[test]
fn a_link_loses_about_as_many_packets_as_it_should_each_way() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    let link = ada.link();
    for [from, to] in [[&of_ada, &of_ben], [&of_ben, &of_ada]] {
        link.set_loss(0).unwrap();
        assert_eq!(count(from, to), 1000);
        link.set_loss(30).unwrap();
        let came = count(from, to);
        // The standard deviation is 14.5.
        assert!((600..=800).contains(&came), "{came}");
    }
}

#[test]
fn a_link_that_loses_everything_carries_nothing_either_way() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    for [from, to] in [[&of_ada, &of_ben], [&of_ben, &of_ada]] {
        ada.link().set_loss(100).unwrap();
        send(from, "lost", address(to));
        ada.link().set_loss(0).unwrap();
        send(from, "not lost", address(to));
        assert_eq!(next(to).0, "not lost");
    }
}

#[test]
fn a_link_that_loses_everything_carries_no_ipv6_either() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().ipv6_only_host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    ada.link().set_loss(100).unwrap();
    send(&of_ada, "lost", address(&of_ben));
    ada.link().set_loss(0).unwrap();
    send(&of_ada, "not lost", address(&of_ben));
    assert_eq!(next(&of_ben).0, "not lost");
}

#[test]
fn a_link_with_delay_keeps_packets_in_order_for_at_least_so_long() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    let (least, jitter) = (Duration::from_millis(40), Duration::from_millis(20));
    ada.link().set_delay(Delay { least, jitter }, 7).unwrap();
    for [from, to] in [[&of_ada, &of_ben], [&of_ben, &of_ada]] {
        let mut sent = Vec::new();
        for number in 0..20 {
            sent.push(Instant::now());
            send(from, &number.to_string(), address(to));
            thread::sleep(Duration::from_millis(2));
        }
        for (number, sent) in sent.into_iter().enumerate() {
            assert_eq!(next(to).0, number.to_string());
            assert!(sent.elapsed() >= least, "{:?}", sent.elapsed());
        }
    }
    // Segments of TCP come whole, and no longer late when the delay is over.
    ada.link().set_delay(Delay::default(), 0).unwrap();
    let listener = ben.tcp_listener(80).unwrap();
    let mut stream = ada.tcp_stream(listener.local_addr().unwrap()).unwrap();
    let text = vec![b'x'; 1_000_000];
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
    });
    stream.write_all(&text).unwrap();
    drop(stream);
    assert_eq!(reader.join().unwrap(), text.len() as u64);
}

#[test]
fn a_home_delays_all_behind_it_by_its_uplink() {
    let network = Network::new().unwrap();
    let server = socket(&network.internet().host("server").unwrap());
    let home = network.internet().nat("home", Nat::full_cone()).unwrap();
    let client = socket(&home.host("client").unwrap());
    let least = Duration::from_millis(30);
    let delay = Delay {
        least,
        jitter: Duration::ZERO,
    };
    home.uplink().unwrap().set_delay(delay, 0).unwrap();
    let start = Instant::now();
    let outside = seen(&client, &server);
    send(&server, "back", outside);
    assert_eq!(next(&client).0, "back");
    assert!(start.elapsed() >= 2 * least, "{:?}", start.elapsed());
}

/// Which of a hundred packets come, each sent a little after the one before, and in which order.
fn what_comes(link: &Link, impairment: Impairment, from: &UdpSocket, to: &UdpSocket) -> Vec<u32> {
    link.impair_udp(Some(impairment)).unwrap();
    for number in 0..100 {
        send(from, &number.to_string(), address(to));
        thread::sleep(Duration::from_millis(2));
    }
    // What is on its way comes before the end, which waits for nothing.
    let slack = Duration::from_millis(50);
    thread::sleep(impairment.delay.least + impairment.delay.jitter + slack);
    link.impair_udp(None).unwrap();
    send(from, "end", address(to));
    std::iter::from_fn(|| next(to).0.parse().ok()).collect()
}

#[test]
fn udp_is_lost_by_seed_and_tcp_is_not() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    let link = ada.link();
    let seeded = |seed| Impairment {
        loss: 0.3,
        seed,
        ..Impairment::default()
    };
    for [from, to] in [[&of_ada, &of_ben], [&of_ben, &of_ada]] {
        let came = what_comes(&link, seeded(1), from, to);
        // The standard deviation is 4.6.
        assert!((50..=90).contains(&came.len()), "{came:?}");
        assert_eq!(what_comes(&link, seeded(1), from, to), came);
        assert_ne!(what_comes(&link, seeded(2), from, to), came);
    }
    let all = Impairment {
        loss: 1.0,
        ..Impairment::default()
    };
    link.impair_udp(Some(all)).unwrap();
    send(&of_ada, "lost", address(&of_ben));
    let listener = ben.tcp_listener(80).unwrap();
    ada.tcp_stream(listener.local_addr().unwrap()).unwrap();
    link.impair_udp(None).unwrap();
    send(&of_ada, "not lost", address(&of_ben));
    assert_eq!(next(&of_ben).0, "not lost");
}

#[test]
fn udp_with_jitter_overtakes_and_none_is_lost() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    let delay = Delay {
        least: Duration::ZERO,
        jitter: Duration::from_millis(40),
    };
    let impairment = Impairment {
        delay,
        ..Impairment::default()
    };
    let mut came = what_comes(&ada.link(), impairment, &of_ada, &of_ben);
    assert!(!came.is_sorted(), "{came:?}");
    came.sort_unstable();
    assert_eq!(came, Vec::from_iter(0..100));
}

#[test]
fn an_outage_begins_at_once_and_ends() {
    let network = Network::new().unwrap();
    let [ada, ben] = ["ada", "ben"].map(|name| network.internet().host(name).unwrap());
    let [of_ada, of_ben] = [&ada, &ben].map(socket);
    let outages = Outages {
        length: Duration::from_millis(150),
        every: Duration::from_secs(60),
    };
    let impairment = Impairment {
        outages: Some(outages),
        ..Impairment::default()
    };
    let came = what_comes(&ada.link(), impairment, &of_ada, &of_ben);
    let first = came.first().copied().unwrap();
    assert!(first > 0, "{came:?}");
    assert_eq!(came, Vec::from_iter(first..100));
}
