"""A hundred nonsense command lines, in one process and under two minutes: add yours to the list of their kind."""

import shlex

import pytest
import torch

from hostile.conftest import TINY

#: After a small training's words.
TRAIN = """
seed=true
seed=1.5
seed=-1
seed=[1]
seed=
seed={a:1}
seed=nan
total_kimg=1e30
total_kimg=0
total_kimg=-0.0
total_kimg=inf
total_kimg=true
total_kimg=abc
total_kimg=null
total_kimg=[]
name=null
name=[a]
name=1.5
force=2
force=yes
retry=maybe
download=1
trace=off
paths=here
start=here
start.run=true
start.clock=never
start.networks={a:1}
data_changed=0
trust=3.5
term=r9
term=[r1,r9]
term.r1.weight=true
'term=[r1]' term.r1.weight=true
'term=[r1]' term.r1.weight=nan
'term=[r1]' term.r1.every=1.5
'term=[r1]' term.r1.every=true
'term=[r1]' +term.r1.wieght=1
'term=[r1]' term.r1.player=both
'term=[r1]' term.r1=3
'term=[r1]' term.r1._target_=ganforge.losses.gradient_penalty.R3
'term=[r1]' term.r1._target_=os.system
model=df_gan text_encoder=none
model=df_gan text_encoder=clip
model=df_gan data=mnist5k
model=df_gan text_encoder.dim=0
model=df_gan data.given.text.length=3
model=df_gan data.given.text.vocabulary=[a,red]
'term=[text_interpolation]'
'term=[matching_penalty]' term.matching_penalty.power=0
loss._target_=nowhere.Loss
loss=hinge +loss.margin=1
model.n_critic=true
model.n_critic=1.5
model.n_critic=many
model.accumulate=nan
model.log_every=1e-30
model.log_every=[50]
model.channels_last=3
model.generator=3
model=3
+model.depth=3
~model.loss
data.batch_size=true
data.batch_size=1e30
data.batch_size=1.5
data.batch_size=[16]
data.horizontal_flip=true
data.horizontal_flip=often
data.image_size=[16,x]
data.image_size=16.5
data.classes=few
data.margin=cut
data.source=3
data.source.count=true
data.source.radius=[0.2]
data.source.shapes=null
+data.source.size=3
~data.source._target_
data=mnist6k
trainer=tpu
trainer.accelerator=quantum
trainer.devices=0
trainer.devices=1.5
trainer.devices=true
trainer.num_nodes=-1
trainer.precision=16-true
trainer.precision=bf16-true
trainer.precision=64-true
trainer.precision=16-mixed
trainer.precision=12
trainer.precision=transformer-engine
trainer.deterministic=3
+trainer.devces=2
optimizer.generator.lr=fast
optimizer.generator.lr=[0.1]
optimizer.generator.lr=true
optimizer.generator.betas=0.5
optimizer.generator.betas=[0.5]
optimizer.generator.betas=[0,0.9
optimizer.generator.betas=[a,b]
+optimizer.generator.momentum=0.9
optimizer=3
latent.dim=1.5
latent.dim=true
latent=3
latent=none
data=ring
network.width=${network.width}
network.width=${nope}
ema.halflife_kimg=nan
ema.rampup=[]
callbacks.health.every_kimg=nan
callbacks.health.rollbacks=nan
callbacks.health.rollbacks=1.5
callbacks.health.images=true
callbacks.health.action=explode
callbacks.health.thresholds.diversity=[]
callbacks.health.thresholds.diversity=nan
callbacks.health.thresholds=3
+callbacks.health.thresholds.divresity=1
callbacks.samples.every_kimg=soon
callbacks.checkpoint.folder=null
schedules=3
schedules.a=3
-m seed=true,1.5
seed=1,2
--foo
--config-dir
--config-dir nowhere
--cfg everything
--multirn seed=1
-x
nonsense
=3
a b=3
seed==3=
modle=dcgan
model=dcgn
network.wdith=3
resume=[a]
data.source.colours=[1,2]
data.source.radius=[2,1]
data.image_size=20
data.classes=7
data.batch_size=0
model.n_critic=0
model.accumulate=0
optimizer.generator.lr=-1
optimizer.generator.betas=[0,2]
callbacks.health.images=1
'term=[r1]' term.r1.weight=-1
conditioning=label data.classes=null
model=infogan data.batch_size=1
model=infogan model.accumulate=16
data.batch_size=5 model.accumulate=4 model=infogan
packing=pairs data.batch_size=2 model.accumulate=2
data.horizontal_flip=1.5
data.source.background=256
network.width=0
ema.halflife_kimg=0
callbacks.health.slow_down=0
callbacks.samples.every_kimg=0
callbacks.health.thresholds.diversity=-1
augment=diff_augment augment.policy=[colour]
start={run:nowhere}
resume=previous
trainer.accelerator=cuda
"""

#: Whole command lines of the other commands.
OTHERS = """
trian
sample
sample nowhere
sample a b
sample nowhere mode=grdi
sample nowhere n=true
sample nowhere n=1.5
sample nowhere mode=grid mode.columns=x
sample nowhere seed=nan
sample nowhere zoom=0
sample nowhere ema=maybe
sample run=[a,b]c
sample nowhere --foo
evaluate
evaluate nowhere
evaluate nowhere repeats=0
evaluate nowhere repeats=true
evaluate nowhere bootstrap=1
evaluate nowhere bootstrap=-1
evaluate nowhere bootstrap=nan
evaluate nowhere trainer.devices=0
evaluate nowhere +trainer.precision=32-true
evaluate nowhere images=there
evaluate images=nowhere real=3
evaluate nowhere image_size=[a]
evaluate nowhere protocol=fid51k
compare
compare nowhere
compare nowhere target=low
compare nowhere formats=3
compare nowhere formats=[html,doc]
compare nowhere metric=[fid]
tune tune.n_trials=0
tune tune.n_trials=1.5
tune tune.workers=true
tune tune.objective=[]
tune tune.failures=nan
tune tune=tpee
tune tune.silent_minutes=0
tune tune.keep_checkpoints=-1
download data.source=3
doctor cifar10=3
doctor cifar=true
doctor --cifar10
doctor data=cifar10
doctor nowhere
"""


@pytest.mark.parametrize("line", TRAIN.strip().splitlines())
def test_nonsense_after_a_small_training(line, refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused([*TINY, *shlex.split(line)])


@pytest.mark.parametrize("line", OTHERS.strip().splitlines())
def test_nonsense_for_other_commands(line, refused):
    refused(shlex.split(line))
