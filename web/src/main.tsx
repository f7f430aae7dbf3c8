import { render } from 'preact';
import { App } from './app.tsx';
import { Session, takeToken } from './session.ts';
import './page.css';

render(<App session={new Session(takeToken())} />, document.getElementById('page')!);
