import './format.ts';
import './labels.ts';
import './moving.ts';
import './words.ts';
