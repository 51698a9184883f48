package sqlitestore

import (
	"testing"

	"github.com/dsengine/dsengine/engine/storetest"
)

func FuzzValuesInSQLite(f *testing.F) { storetest.FuzzValues(f, instance) }
