//! What the SDK makes of every kind of trouble: the right answer to "may it have been taken?", in bounded time and space.

use std::time::{Duration, Instant};

use wecom::api::robot::RobotMessage;
use wecom::{ErrCode, ErrorKind};
use wecom_sim::{Fault, Trouble};

use crate::{robot, start};

#[tokio::test]
async fn each_trouble_is_told_apart() {
    let simulator = start().await;
    for (trouble, taken) in [
        (Trouble::Errcode { errcode: -1, errmsg: None }, false),
        (Trouble::ResetBefore, true),
        (Trouble::ResetAfter, true),
        (Trouble::Html, true),
        (Trouble::Status { status: 500 }, true),
        (Trouble::Status { status: 404 }, false),
        (Trouble::Half, true),
        (Trouble::Hang, true),
        (Trouble::Drip, true),
        (Trouble::Stall, true),
        (Trouble::Endless, true),
        (Trouble::BadGzip, true),
    ] {
        simulator.control.fault(Fault::new(trouble.clone()).times(1));
        let started = Instant::now();
        let error = robot(&simulator).send(RobotMessage::text("x")).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(3), "{trouble:?} took {:?}", started.elapsed());
        assert_eq!(error.may_have_been_taken(), taken, "{trouble:?}: {error:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let simulator = start().await;
    let robot = robot(&simulator);
    simulator.stop().await;
    let error = robot.send(RobotMessage::text("x")).await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Connect);
    assert!(error.is_transient() && !error.may_have_been_taken());
}

#[tokio::test]
async fn a_fault_meets_only_what_it_is_for() {
    let simulator = start().await;
    simulator.control.fault(Fault::errcode(45_009).on("webhook/send").for_robot("another-key"));
    robot(&simulator).send(RobotMessage::text("x")).await.unwrap();
    simulator.control.fault(Fault::errcode(45_033).on("webhook/send").one_in(2));
    robot(&simulator).send(RobotMessage::text("x")).await.unwrap();
    let error = robot(&simulator).send(RobotMessage::text("x")).await.unwrap_err();
    assert_eq!(error.errcode(), Some(ErrCode::CONCURRENCY_LIMIT));
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let simulator = start().await;
    simulator.control.fault(Fault::new(Trouble::ResetBefore).times(1));
    let error = robot(&simulator).send(RobotMessage::text("x")).await.unwrap_err();
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        shown = format!("{shown} {cause} {cause:?}");
        source = cause.source();
    }
    assert!(!shown.contains(crate::ROBOT), "{shown}");
}
