//! The machines of the core, as tables and under random events, with their invariants checked
//! after every step.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wasmill_core::align::{Alignment, END_OF_TIME};
use wasmill_core::bisect::{Bisection, Step};
use wasmill_core::epoch::{Action, Epochs, Finish, UNCOMMITTED_MAX};
use wasmill_core::life::{Life, LifeEvent};

mod life {
    use super::*;

    #[test]
    fn every_state_and_event() {
        use Life::{Draining, Failed, Finished, Running, Starting};
        use LifeEvent::{DrainTimedOut, Error, LastEpochCommitted, Started, StopRequested};
        let states = [Starting, Running, Draining, Finished, Failed];
        let table = [
            (Started, [Some(Running), None, None, None, None]),
            (StopRequested, [Some(Draining), Some(Draining), None, None, None]),
            (LastEpochCommitted, [None, Some(Finished), Some(Finished), None, None]),
            (Error, [Some(Failed), Some(Failed), Some(Failed), None, None]),
            (DrainTimedOut, [None, None, Some(Failed), None, None]),
        ];
        for (event, row) in table {
            for (state, expected) in states.into_iter().zip(row) {
                assert_eq!(state.after(event), expected, "{state:?} after {event:?}");
                assert!(!state.is_over() || expected.is_none(), "{state:?} is over and goes on");
            }
        }
    }
}

mod bisection {
    use super::*;

    /// Runs a batch in which some rows are poison; `blame` says whether the guest names the row.
    /// Returns the rows applied in order, the poison found in order, and the number of calls.
    fn run(rows: u32, poison: &BTreeSet<u32>, blame: bool) -> (Vec<u32>, Vec<u32>, usize) {
        let mut bisection = Bisection::new(rows);
        let (mut applied, mut found, mut calls) = (Vec::new(), Vec::new(), 0);
        loop {
            match bisection.step() {
                Step::Done => return (applied, found, calls),
                Step::Poison(row) => found.push(row),
                Step::Run(range) => {
                    calls += 1;
                    let culprit = poison.range(range.clone()).next().copied();
                    match culprit {
                        None => {
                            applied.extend(range);
                            bisection.succeeded();
                        }
                        Some(row) => bisection.failed(blame.then_some(row)),
                    }
                }
            }
        }
    }

    #[test]
    fn one_poison_row_costs_few_calls() {
        for rows in [1u32, 2, 3, 100, 4096] {
            for row in [0, rows / 2, rows - 1] {
                let (applied, found, calls) = run(rows, &BTreeSet::from([row]), false);
                assert_eq!(found, [row]);
                assert_eq!(applied.len() as u32, rows - 1);
                let most = 2 * rows.next_power_of_two().ilog2() as usize + 1;
                assert!(calls <= most, "{calls} calls for {rows} rows, expected at most {most}");
                assert!(run(rows, &BTreeSet::from([row]), true).2 <= 4);
            }
        }
    }

    #[test]
    fn an_empty_batch_is_done() {
        assert_eq!(Bisection::new(0).step(), Step::Done);
    }

    proptest! {
        #[test]
        fn every_row_is_applied_once_in_order_or_is_poison(
            rows in 0u32..300,
            picks in prop::collection::btree_set(0u32..300, 0..40),
            blame: bool,
        ) {
            let poison: BTreeSet<u32> = picks.into_iter().filter(|r| *r < rows).collect();
            let (applied, found, _) = run(rows, &poison, blame);
            prop_assert_eq!(found, poison.iter().copied().collect::<Vec<_>>());
            let expected: Vec<u32> = (0..rows).filter(|r| !poison.contains(r)).collect();
            prop_assert_eq!(applied, expected);
        }
    }
}

mod alignment {
    use super::*;

    #[test]
    fn event_time_does_not_wait_for_inputs_without_rows() {
        let mut a = Alignment::new(3, 1);
        a.expect_no_rows(1);
        a.expect_no_rows(2);
        assert_eq!(a.watermark_of(0, 5), Ok(Some(5)));
        assert_eq!(a.end(1), Ok(None));
        assert!(a.rows(2).is_err());
        // Barriers still come from all of them.
        assert_eq!([0, 1, 2].map(|i| a.barrier(i, 1)), [Ok(false), Ok(false), Ok(true)]);
        assert_eq!(a.end(0), Ok(None), "the end of time comes when all have ended");
        assert_eq!(a.validate(), Ok(()));
        assert_eq!(a.end(2), Ok(Some(END_OF_TIME)));
        assert!(a.all_ended());
    }

    #[test]
    fn without_any_rows_time_ends_with_the_last_input() {
        let mut a = Alignment::new(2, 1);
        (0..2).for_each(|i| a.expect_no_rows(i));
        assert_eq!([a.end(1), a.end(0)], [Ok(None), Ok(Some(END_OF_TIME))]);
    }

    #[test]
    fn a_barrier_waits_for_every_input() {
        let mut a = Alignment::new(2, 7);
        assert_eq!(a.barrier(0, 7), Ok(false));
        assert!(a.is_held(0) && !a.is_held(1));
        assert!(a.rows(0).is_err(), "a held input sends nothing");
        assert!(a.rows(1).is_ok());
        assert_eq!(a.barrier(1, 7), Ok(true));
        assert!(!a.is_held(0) && a.epoch() == 8);
    }

    #[test]
    fn messages_out_of_order_are_refused() {
        let mut a = Alignment::new(2, 1);
        assert!(a.barrier(0, 2).is_err(), "an epoch is skipped");
        assert_eq!(a.barrier(0, 1), Ok(false));
        assert!(a.barrier(0, 1).is_err(), "the same barrier twice");
        assert_eq!(a.end(1), Ok(None));
        assert!(a.rows(1).is_err() && a.end(1).is_err() && a.watermark_of(1, 5).is_err());
        assert_eq!(a.barrier(1, 1), Ok(true), "an ended input still sends barriers");
    }

    #[test]
    fn the_watermark_is_the_lowest_and_never_falls() {
        let mut a = Alignment::new(2, 1);
        assert_eq!(a.watermark_of(0, 10), Ok(None), "the other input has none");
        assert_eq!(a.watermark_of(1, 5), Ok(Some(5)));
        assert_eq!(a.watermark_of(1, 3), Ok(None), "it does not fall");
        assert_eq!(a.watermark_of(1, 20), Ok(Some(10)));
        assert_eq!(a.end(0), Ok(Some(20)), "an ended input holds nothing back");
        assert_eq!(a.end(1), Ok(Some(END_OF_TIME)));
        assert!(a.all_ended());
    }

    #[test]
    fn an_idle_input_holds_nobody_back_until_it_speaks() {
        let mut a = Alignment::new(2, 1);
        assert_eq!(a.watermark_of(0, 10), Ok(None));
        assert_eq!(a.idle(1), Ok(Some(10)), "the other one counts alone");
        assert_eq!(a.watermark_of(0, 20), Ok(Some(20)));
        a.rows(1).expect("an idle input may send");
        assert_eq!(a.watermark_of(0, 30), Ok(None), "it counts again");
        assert_eq!(a.watermark_of(1, 5), Ok(None), "event time does not fall");
        a.validate().expect("no input is behind the subtask");
        assert_eq!(a.watermark_of(1, 25), Ok(Some(25)));
    }

    #[test]
    fn a_subtask_is_idle_when_all_inputs_are_that_have_not_ended() {
        let mut a = Alignment::new(3, 1);
        let idle = |a: &Alignment| (a.is_idle(), a.watermark());
        assert_eq!(a.watermark_of(0, 10), Ok(None));
        assert_eq!(a.end(2), Ok(None));
        assert_eq!(a.idle(0), Ok(None), "the second has no watermark yet");
        assert!(!a.is_idle());
        assert_eq!(a.idle(1), Ok(Some(10)), "all are idle: the one ahead counts");
        assert_eq!(idle(&a), (true, 10));
        a.validate().expect("idle inputs hold nothing back");
        assert_eq!(a.barrier(0, 1), Ok(false));
        assert!(a.idle(0).is_err(), "a held input says nothing");
        assert_eq!(a.barrier(1, 1), Ok(false));
        assert_eq!(a.barrier(2, 1), Ok(true));
        assert_eq!(a.watermark_of(1, 40), Ok(Some(40)));
        assert_eq!(idle(&a), (false, 40));
        assert_eq!(a.end(1), Ok(None), "the idle one may still send");
        assert_eq!(a.end(0), Ok(Some(END_OF_TIME)));
    }

    #[test]
    fn a_resumed_subtask_does_not_fall_back_in_time() {
        let mut a = Alignment::resumed(2, 4, 100);
        assert_eq!((a.watermark(), a.epoch(), a.validate()), (100, 4, Ok(())));
        assert_eq!(a.watermark_of(0, 100), Ok(None));
        assert_eq!(a.watermark_of(0, 150), Ok(None), "the other input is where it was");
        assert_eq!(a.watermark_of(1, 40), Ok(None), "a new input may be behind");
        assert_eq!(a.watermark_of(1, 120), Ok(Some(120)));
        assert_eq!((a.end(0), a.end(1)), (Ok(None), Ok(Some(END_OF_TIME))));
    }

    /// One input's messages in its own order; the test interleaves the inputs.
    #[derive(Debug, Clone)]
    enum Sent {
        Rows,
        Watermark(i64),
        Barrier,
    }

    proptest! {
        #[test]
        fn any_interleaving_aligns_every_epoch(
            inputs in prop::collection::vec(
                prop::collection::vec(prop_oneof![Just(Sent::Rows), (0i64..100).prop_map(Sent::Watermark)], 0..20),
                1..5,
            ),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 400),
            epochs in 1u64..6,
        ) {
            // Every input sends its messages, cut into the same number of epochs.
            let mut queues: Vec<VecDeque<Sent>> = inputs.into_iter().map(|messages| {
                let per = messages.len() / epochs as usize + 1;
                let mut queue = VecDeque::new();
                let mut rest = messages.into_iter();
                for _ in 0..epochs {
                    queue.extend(rest.by_ref().take(per));
                    queue.push_back(Sent::Barrier);
                }
                queue
            }).collect();
            let mut a = Alignment::new(queues.len(), 1);
            let mut barriers = vec![0u64; queues.len()];
            let (mut aligned, mut highest) = (0u64, i64::MIN);
            for pick in picks {
                let open: Vec<usize> = (0..queues.len()).filter(|i| !a.is_held(*i) && !queues[*i].is_empty()).collect();
                if open.is_empty() {
                    break;
                }
                let input = open[pick.index(open.len())];
                let risen = match queues[input].pop_front().expect("open inputs have messages") {
                    Sent::Rows => { a.rows(input).expect("rows may come"); None }
                    Sent::Watermark(w) => a.watermark_of(input, w).expect("watermarks may come"),
                    Sent::Barrier => {
                        barriers[input] += 1;
                        if a.barrier(input, barriers[input]).expect("barriers come in order") {
                            aligned += 1;
                            prop_assert!(barriers.iter().all(|b| *b == aligned), "{:?} at {}", barriers, aligned);
                        }
                        None
                    }
                };
                if let Some(w) = risen {
                    prop_assert!(w > highest);
                    highest = w;
                }
                prop_assert_eq!(a.validate(), Ok(()));
                prop_assert_eq!(a.watermark(), highest);
            }
            if queues.iter().all(VecDeque::is_empty) {
                prop_assert_eq!(aligned, epochs);
            }
        }
    }
}

mod epochs {
    use super::*;

    #[test]
    fn several_who_want_one_epoch_to_end_get_one_barrier() {
        let mut e = Epochs::new(3, 7);
        assert_eq!(e.want(8), Some(Action::Inject(8)));
        assert_eq!((e.want(8), e.want(8)), (None, None));
        assert_eq!(e.overdue(), None);
    }

    #[test]
    fn what_could_not_be_injected_follows_the_commit_that_was_in_its_way() {
        for drains in [false, true] {
            let mut e = Epochs::new(1, 0);
            assert_eq!((e.tick(), e.tick()), (Some(Action::Inject(1)), Some(Action::Inject(2))));
            if drains {
                e.drain();
                assert_eq!(e.tick(), None);
            } else {
                assert_eq!(e.want(3), None);
            }
            assert_eq!(e.handed_in(0, 1, false), Ok(Some(Action::Commit(1))));
            assert_eq!(e.overdue(), None);
            assert_eq!(e.committed(1), Ok(None));
            assert_eq!(e.overdue(), Some(Action::Inject(3)), "no tick is waited for");
            assert_eq!((e.overdue(), e.validate()), (None, Ok(())));
        }
    }

    #[test]
    fn one_epoch_from_tick_to_commit() {
        let mut e = Epochs::new(2, 4);
        assert_eq!(e.tick(), Some(Action::Inject(5)));
        assert_eq!(e.handed_in(0, 5, false), Ok(None));
        assert_eq!(e.handed_in(1, 5, false), Ok(Some(Action::Commit(5))));
        assert_eq!(e.committed(5), Ok(None));
        assert_eq!(e.committed_epoch(), 5);
    }

    #[test]
    fn commits_follow_in_order_even_when_hand_ins_do_not() {
        let mut e = Epochs::new(2, 0);
        assert_eq!((e.tick(), e.tick()), (Some(Action::Inject(1)), Some(Action::Inject(2))));
        assert_eq!(e.tick(), None, "two epochs are uncommitted");
        assert_eq!(e.handed_in(0, 1, false), Ok(None));
        assert_eq!(e.handed_in(0, 2, false), Ok(None));
        assert_eq!(e.handed_in(1, 1, false), Ok(Some(Action::Commit(1))));
        assert_eq!(e.handed_in(1, 2, false), Ok(None), "epoch 1 is being committed");
        assert_eq!(e.committed(1), Ok(Some(Action::Commit(2))));
    }

    #[test]
    fn the_end_of_the_input_ends_the_job_behind_its_commit() {
        let mut e = Epochs::new(2, 0);
        e.tick();
        assert_eq!(e.handed_in(0, 1, true), Ok(None));
        assert_eq!(e.handed_in(1, 1, false), Ok(Some(Action::Commit(1))), "one subtask goes on");
        assert_eq!(e.committed(1), Ok(None));
        e.tick();
        assert_eq!(e.handed_in(0, 2, true), Ok(None));
        assert_eq!(e.handed_in(1, 2, true), Ok(Some(Action::Commit(2))));
        assert_eq!(e.tick(), None, "nothing follows");
        assert_eq!(e.committed(2), Ok(Some(Action::Finish(Finish::Ended))));
    }

    #[test]
    fn a_drain_ends_with_the_next_barrier() {
        let mut e = Epochs::new(1, 0);
        e.tick();
        e.drain();
        assert_eq!(e.handed_in(0, 1, false), Ok(Some(Action::Commit(1))));
        assert_eq!(e.committed(1), Ok(None), "rows read behind barrier 1 are still to be committed");
        assert_eq!(e.tick(), Some(Action::Inject(2)));
        assert_eq!(e.tick(), None);
        assert_eq!(e.handed_in(0, 2, false), Ok(Some(Action::Commit(2))));
        assert_eq!(e.committed(2), Ok(Some(Action::Finish(Finish::Drained))));
    }

    #[test]
    fn reports_that_cannot_be_are_refused() {
        let mut e = Epochs::new(1, 0);
        assert!(e.handed_in(0, 1, false).is_err(), "no barrier was sent");
        e.tick();
        assert!(e.handed_in(3, 1, false).is_err(), "no such subtask");
        assert_eq!(e.handed_in(0, 1, false), Ok(Some(Action::Commit(1))));
        assert!(e.handed_in(0, 1, false).is_err(), "twice");
        assert!(e.committed(2).is_err(), "not the one being committed");
    }

    proptest! {
        /// A carrier that delays every report at random, until the input ends.
        #[test]
        fn any_order_of_reports_commits_every_epoch_once(
            subtasks in 1usize..5,
            picks in prop::collection::vec(any::<prop::sample::Index>(), 500),
            last in 1u64..8,
            drain_at in prop::option::of(0usize..100),
        ) {
            let mut e = Epochs::new(subtasks, 0);
            let mut owed: BTreeMap<usize, VecDeque<u64>> = (0..subtasks).map(|s| (s, VecDeque::new())).collect();
            let mut committing = None;
            let (mut commits, mut finished) = (Vec::new(), None);
            for (step, pick) in picks.into_iter().enumerate() {
                if drain_at == Some(step) {
                    e.drain();
                }
                let ready: Vec<usize> = owed.iter().filter(|(_, q)| !q.is_empty()).map(|(s, _)| *s).collect();
                let action = match pick.index(ready.len() + 2) {
                    0 => e.tick(),
                    1 => match committing.take() {
                        Some(epoch) => e.committed(epoch).expect("it was asked for"),
                        None => None,
                    },
                    n => {
                        let s = ready[n - 2];
                        let epoch = owed.get_mut(&s).and_then(VecDeque::pop_front).expect("ready subtasks owe");
                        e.handed_in(s, epoch, epoch >= last).expect("it was owed")
                    }
                };
                prop_assert_eq!(e.validate(), Ok(()));
                match action {
                    Some(Action::Inject(epoch)) => owed.values_mut().for_each(|q| q.push_back(epoch)),
                    Some(Action::Commit(epoch)) => { commits.push(epoch); committing = Some(epoch); }
                    Some(Action::Finish(f)) => { finished = Some(f); break; }
                    None => {}
                }
                prop_assert!(e.injected_epoch() - e.committed_epoch() <= UNCOMMITTED_MAX);
            }
            prop_assert_eq!(&commits, &(1..=commits.len() as u64).collect::<Vec<_>>());
            if finished == Some(Finish::Ended) {
                prop_assert!(commits.len() as u64 >= last);
            }
            if finished.is_some() {
                prop_assert_eq!(e.tick(), None);
            }
        }
    }
}
