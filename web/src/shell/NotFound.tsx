import { Link } from '@tanstack/react-router'
import { common as t } from '../text/en'
import { Empty } from '../ui/State'

export const NotFound = () => <main id="main"><h1 className="sr">{t.notFoundTitle}</h1><Empty title={t.notFoundTitle} text={t.notFound} action={<Link to="/">{t.goHome}</Link>} /></main>
