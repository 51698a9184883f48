package sqlitestore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
)

func TestAFileThatIsNoDatabaseIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		filepath.Join(dir, "gone.db"):            "there is no database file",
		filepath.Join(dir, "nowhere", "gone.db"): "there is no folder",
		text:                                     "is no SQLite database",
	} {
		_, err := Connect(t.Context(), "sqlite:"+path, true, Options{})
		if engine.CodeOf(err) != engine.CodeConnection || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: want %s and %s, got %s: %v", path, engine.CodeConnection, says, engine.CodeOf(err), err)
		}
	}
}
