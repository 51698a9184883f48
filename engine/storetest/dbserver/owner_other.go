//go:build !linux

package dbserver

import "syscall"

func (o *owner) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
