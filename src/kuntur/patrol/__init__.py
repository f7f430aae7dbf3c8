"""The game between patrols and crossers: who may cross where, what can be flown, what a mixture is proven to see."""
