//! Processes that the operating system stops and lets go on (SIGSTOP, SIGCONT), or that end where they stand: everything
//! that a node runs is polled through its [`Gate`].

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use carillon_cluster::Runtime;
use openraft::{AsyncRuntime, OptionalSend};
use openraft_rt_sim::{SimInstant, SimRuntime};

thread_local! {
    static PRESENT: RefCell<Option<Gate>> = const { RefCell::new(None) };
}

/// Whether a process may run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<Shut>>);

#[derive(Debug, Default)]
struct Shut {
    shut: bool,
    /// In the order in which they came.
    waiting: Vec<Waker>,
}

impl Gate {
    /// Nothing of the process runs from now on.
    pub(crate) fn shut(&self) {
        self.lock().shut = true;
    }

    /// It goes on where it stood. Time has passed meanwhile.
    pub(crate) fn open(&self) {
        let waiting = {
            let mut state = self.lock();
            state.shut = false;
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }

    /// What this process does, and what comes of it.
    pub(crate) fn within<F: Future>(&self, future: F) -> Gated<F> {
        Gated {
            future: Box::pin(future),
            gate: Some(self.clone()),
        }
    }

    fn present() -> Option<Self> {
        PRESENT.with_borrow(Clone::clone)
    }

    fn lock(&self) -> MutexGuard<'_, Shut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something has to wait until the gate opens.
    fn holds(&self, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        if state.shut {
            state.waiting.push(context.waker().clone());
        }
        state.shut
    }
}

/// A future of a process. What it spawns belongs to the same process.
pub(crate) struct Gated<F> {
    future: Pin<Box<F>>,
    gate: Option<Gate>,
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if self.gate.as_ref().is_some_and(|gate| gate.holds(context)) {
            return Poll::Pending;
        }
        let _inside = Inside(PRESENT.replace(self.gate.clone()));
        self.future.as_mut().poll(context)
    }
}

/// Who was polled before, to be restored even after a panic.
struct Inside(Option<Gate>);

impl Drop for Inside {
    fn drop(&mut self) {
        PRESENT.set(self.0.take());
    }
}

/// Virtual time for the tasks of a process: as the simulated runtime, but through the process's gate.
#[derive(Debug)]
pub(crate) struct ProcessRuntime(SimRuntime);

impl AsyncRuntime for ProcessRuntime {
    type JoinError = <SimRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <SimRuntime as AsyncRuntime>::Sleep;
    type Instant = SimInstant;
    type TimeoutError = <SimRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> =
        <SimRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <SimRuntime as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <SimRuntime as AsyncRuntime>::Mpsc;
    type Watch = <SimRuntime as AsyncRuntime>::Watch;
    type Oneshot = <SimRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <SimRuntime as AsyncRuntime>::Mutex<T>;

    #[track_caller]
    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        SimRuntime::spawn(Gated {
            future: Box::pin(future),
            gate: Gate::present(),
        })
    }

    #[track_caller]
    fn sleep(duration: Duration) -> Self::Sleep {
        SimRuntime::sleep(duration)
    }

    #[track_caller]
    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        SimRuntime::sleep_until(deadline)
    }

    #[track_caller]
    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        SimRuntime::timeout(duration, future)
    }

    #[track_caller]
    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        SimRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        SimRuntime::is_panic(join_error)
    }

    #[track_caller]
    fn thread_rng() -> Self::ThreadLocalRng {
        SimRuntime::thread_rng()
    }

    fn new(threads: usize) -> Self {
        Self(SimRuntime::new(threads))
    }

    fn block_on<F: Future<Output = T>, T>(&mut self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn_blocking<F, T>(work: F) -> impl Future<Output = Result<T, io::Error>> + Send
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SimRuntime::spawn_blocking(work)
    }
}

impl Runtime for ProcessRuntime {
    fn offload<T: Send + 'static>(
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send {
        SimRuntime::offload(work)
    }

    fn now_ms() -> u64 {
        SimRuntime::now_ms()
    }
}
