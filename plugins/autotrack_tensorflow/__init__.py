"""TensorFlow: loops of the program's own, eager and compiled.

Observes `GradientTape.gradient`, `apply` and `apply_gradients` of Keras's optimizers, calls of what `tf.function` has
compiled, `tf.data` as it is iterated, updates and results of Keras's metrics, `tf.summary.scalar`,
`tf.train.Checkpoint`, `tf.saved_model.save`, `tf.random.set_seed`.

Records one run for each training, in which the variables that gradients are taken of and optimizers change tell what
belongs together: each loss by the name of the program's variable at the step of the optimizer that follows; of a
compiled step, what it returns, by the name of the loss or of what is returned; the learning rate, settings of the
optimizers, class and size of the models; the data that is trained on and evaluated, by what its pipeline begins with,
and the epochs; values of metrics where the program asks for them, by what Keras's own classes were updated for last;
files with the identity of the model of Keras's inside.  A strategy's replicas are one training, of which the first is
looked at.

Leaves alone: what Keras trains by itself, which is its plugin's; losses that a compiled step does not return, and those
of several values; batches that come from elsewhere than `tf.data`; schedules of the program's own, which are not
called; optimizers of `tf.compat.v1`.
"""

from __future__ import annotations

from autotrack_tensorflow.patches import autotrack_patches

__all__ = ["autotrack_patches"]
