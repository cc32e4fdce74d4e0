package embedded

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who runs PostgreSQL when we are root, which PostgreSQL refuses to
// be. The nil account is our own.
type account struct{ uid, gid uint32 }

// unprivileged is the account that root hands a new cluster to. It must be one
// of passwd's, for initdb looks its name up.
func unprivileged() (*account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil {
			return &account{uid: uint32(uid), gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither an account postgres nor nobody to run it as")
}

func ownerOf(stat fs.FileInfo) *account {
	s := stat.Sys().(*syscall.Stat_t)
	return &account{uid: s.Uid, gid: s.Gid}
}

// reaches says whether a may pass through dir and all folders above it.
func (a *account) reaches(dir string) bool {
	for {
		stat, err := os.Stat(dir)
		if err != nil {
			return false
		}
		search := fs.FileMode(0o001)
		switch owner := ownerOf(stat); {
		case owner.uid == a.uid:
			search = 0o100
		case owner.gid == a.gid:
			search = 0o010
		}
		if stat.Mode()&search == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// takes makes a the owner of path.
func (a *account) takes(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// owns makes a the owner of an open file.
func (a *account) owns(file *os.File) error {
	if a == nil {
		return nil
	}
	return file.Chown(int(a.uid), int(a.gid))
}

// writeFile writes a file that only a reads, in a folder of its own. It writes to another name first: the file is there whole or
// not at all.
func (a *account) writeFile(path, text string) error {
	unfinished := path + ".unfinished"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// O_EXCL: the folder belongs to another account, whose links root must not follow.
	file, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), a.owns(file), file.Close()); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

// credential lets a child run as a, in no other group.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}
