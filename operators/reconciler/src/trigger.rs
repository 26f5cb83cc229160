//! Asks a controller to reconcile an object that has not changed itself.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::{Resource, runtime::reflector::ObjectRef};

/// Asks for reconciles. Clones ask the same controller.
#[derive(Debug, Clone)]
pub struct Trigger<K: Resource<DynamicType = ()>>(UnboundedSender<ObjectRef<K>>);

/// The objects that are to be reconciled, for `Controller::reconcile_on`. The stream ends with the last clone of the trigger.
pub type Triggered<K> = UnboundedReceiver<ObjectRef<K>>;

/// A trigger and its stream.
pub fn trigger<K: Resource<DynamicType = ()>>() -> (Trigger<K>, Triggered<K>) {
    let (sender, receiver) = unbounded();
    (Trigger(sender), receiver)
}

impl<K: Resource<DynamicType = ()>> Trigger<K> {
    /// Asks for a reconcile. A controller queues an object once, however often it is asked for; one that has ended, or that
    /// does not know the object, does nothing.
    pub fn reconcile(&self, object: ObjectRef<K>) {
        let _ = self.0.unbounded_send(object);
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    #[tokio::test]
    async fn what_clones_ask_for_arrives_in_order_and_the_stream_ends_with_the_last_clone() {
        let (first, triggered) = trigger::<ConfigMap>();
        let second = first.clone();
        first.reconcile(ObjectRef::new("a").within("home"));
        second.reconcile(ObjectRef::new("b").within("home"));
        drop((first, second));
        let names: Vec<String> = triggered.map(|object| object.name).collect().await;
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_controller_that_has_ended_is_no_error() {
        let (trigger, triggered) = trigger::<ConfigMap>();
        drop(triggered);
        trigger.reconcile(ObjectRef::new("a"));
    }
}
