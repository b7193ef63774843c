//! Drives real traffic through the balancer and checks what came back.
