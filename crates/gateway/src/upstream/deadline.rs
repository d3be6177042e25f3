//! How long the head of a response is waited for while the request's body may still be on its way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::UpstreamError;
use crate::body::{UploadError, UploadProgress};
use crate::watch::Watch;

/// Counts from the last sign of life of the upload. A client that is waited for has a limit of its own; a server that
/// takes nothing of what is there has this one, and the token its end.
pub(super) struct Deadline<'u> {
    limit: Duration,
    upload: Option<&'u UploadProgress>,
    watch: Option<Watch>,
    /// How much of the upload had come when the time began.
    received: u64,
}

impl<'u> Deadline<'u> {
    pub(super) fn new(limit: Duration, upload: Option<&'u UploadProgress>) -> Self {
        let watch = upload.and_then(UploadProgress::watch);
        Self { limit, upload, watch, received: 0 }
    }

    /// Ready with what ended the waiting. `timer` was set to the limit when it began.
    pub(super) fn poll(&mut self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<UpstreamError> {
        let upload = self.upload.filter(|upload| !upload.is_over());
        if let (Some(_), Some(watch)) = (upload, &mut self.watch)
            && let Poll::Ready(denied) = watch.poll_ended(cx)
        {
            return Poll::Ready(UpstreamError::Upload(UploadError::Ended(Box::new(denied))));
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            let goes_on = |upload: &UploadProgress| {
                upload.awaits_client()
                    || upload.received() > std::mem::replace(&mut self.received, upload.received())
            };
            if !upload.is_some_and(goes_on) {
                return Poll::Ready(UpstreamError::ResponseTimeout);
            }
            timer.as_mut().reset(Instant::now() + self.limit);
        }
    }
}
